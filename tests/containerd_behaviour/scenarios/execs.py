"""Exec processes: added, started, ended, refused, and what becomes of them when the container ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from containerd_client.api.containerd.types import types_pb2
from tests.containerd_behaviour.scenarios.bundles import TRAP, process, rootfs
from tests.containerd_behaviour.scenarios.tasks import ended, made, make_container
from tests.containerd_behaviour.scenarios.things import PROCESS, packed

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript


async def play(transcript: Transcript) -> None:
    """Run some in one container, and end it under the last.

    None that runs is started again: the shim of 1.7 and 2.1 then reports its exit twice, and dies with the container.
    """
    step, tasks = transcript.step, transcript.client.tasks
    await make_container(transcript, "t", TRAP)
    root = types_pb2.Mount(type="bind", source=str(rootfs(transcript.scratch)), options=["rbind", "rw"])
    await tasks.create("t", rootfs=[root])
    await tasks.start("t")
    await transcript.events("/tasks/start")
    quick, slow = packed(PROCESS, process("exit 3")), packed(PROCESS, process("sleep 100"))
    await step("get a missing one", tasks.get("t", "e"))
    await step("start a missing one", tasks.start("t", "e"))
    await step("kill a missing one", tasks.kill("t", signal.SIGKILL, exec_id="e"))
    await step("wait for a missing one", tasks.wait("t", "e"))
    await step("delete a missing one", tasks.delete_process("t", "e"))
    await step("add without an id", tasks.exec("t", "", spec=quick))
    await step("add with a bad id", tasks.exec("t", "no/slash", spec=quick))
    await step("add", tasks.exec("t", "e", spec=quick))
    await step("add again", tasks.exec("t", "e", spec=quick))
    await step("get when added", tasks.get("t", "e"))
    await step("kill when added", tasks.kill("t", signal.SIGKILL, exec_id="e"))
    await step("start", made(tasks.start("t", "e")))
    await transcript.events("/tasks/exit")
    await step("wait", ended(tasks.wait("t", "e")))
    await step("get when ended", tasks.get("t", "e"))
    await step("start when ended", tasks.start("t", "e"))
    await step("kill when ended", tasks.kill("t", signal.SIGKILL, exec_id="e"))
    await step("resize when ended", tasks.resize_pty("t", "e", 80, 24))
    await step("delete", ended(tasks.delete_process("t", "e")))
    await step("delete again", tasks.delete_process("t", "e"))
    await step("add one that stays", tasks.exec("t", "s", spec=slow))
    await step("start it", made(tasks.start("t", "s")))
    await step("delete it when running", tasks.delete_process("t", "s"))
    await step("pids", _infos(transcript))
    await step("kill it", tasks.kill("t", signal.SIGKILL, exec_id="s"))
    await transcript.events("/tasks/exec-started", "/tasks/exit")
    await step("delete it", ended(tasks.delete_process("t", "s")))
    await step("add one that is never started", tasks.exec("t", "n", spec=quick))
    await step("delete it", ended(tasks.delete_process("t", "n")))
    await step("add the last", tasks.exec("t", "l", spec=slow))
    await step("start the last", made(tasks.start("t", "l")))
    await step("add one that comes too late", tasks.exec("t", "late", spec=quick))
    await transcript.events("/tasks/exec-started")
    await step("kill the container", tasks.kill("t", signal.SIGKILL))
    await transcript.ends("l", "t")
    await step("start too late", tasks.start("t", "late"))
    await step("delete the last", ended(tasks.delete_process("t", "l")))
    await step("delete the task", ended(tasks.delete("t")))
    await step("get an exec of no task", tasks.get("t", "l"))
    await transcript.client.containers.delete("t")


async def _infos(transcript: Transcript) -> list[str]:
    infos = [one.info for one in await transcript.client.tasks.list_pids("t") if one.HasField("info")]
    return [f"{info.type_url} {info.value!r}" for info in infos]
