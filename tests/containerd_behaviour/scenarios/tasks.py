"""A task from Create to Delete: states, refusals in each state, events, exits."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import detached_options
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.types import types_pb2
from tests.containerd_behaviour.scenarios.bundles import TRAP, process, rootfs, spec
from tests.containerd_behaviour.scenarios.things import PROCESS, RESOURCES, packed

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from containerd_client import Exit
    from tests.containerd_behaviour.transcript import Transcript


async def play(transcript: Transcript) -> None:
    """One task that ends by SIGTERM, one that is killed, one that never starts."""
    step, tasks = transcript.step, transcript.client.tasks
    await _refused(transcript, "without a container")
    await make_container(transcript, "t", TRAP)
    await _refused(transcript, "without a task")
    root = types_pb2.Mount(type="bind", source=str(rootfs(transcript.scratch)), options=["rbind", "rw"])
    await step("create", made(tasks.create("t", rootfs=[root])))
    await step("create again", tasks.create("t", rootfs=[root]))
    await transcript.events("/tasks/create")
    await step("get when created", tasks.get("t"))
    await step("pause when created", tasks.pause("t"))
    await step("resume when created", tasks.resume("t"))
    await step("start", made(tasks.start("t")))
    await transcript.events("/tasks/start")
    await step("start again", tasks.start("t"))
    await step("get when running", tasks.get("t"))
    await step("list", tasks.list())
    await step("metrics", _metrics(transcript, "id==t"))
    await step("metrics of another", _metrics(transcript, "id==u"))
    await step("metrics with a bad filter", tasks.metrics("id=x"))
    await step("pids", _pids(transcript))
    await step("update", tasks.update("t", packed(RESOURCES, {"pids": {"limit": 50}})))
    await step("delete when running", tasks.delete("t"))
    await step("resume when running", tasks.resume("t"))
    await step("pause", tasks.pause("t"))
    await step("get when paused", tasks.get("t"))
    await step("pause when paused", tasks.pause("t"))
    await step("delete when paused", tasks.delete("t"))
    await step("start when paused", tasks.start("t"))
    await step("exec when paused", tasks.exec("t", "p", spec=packed(PROCESS, process("exit 0"))))
    await step("resume", tasks.resume("t"))
    with detached_options():
        waiting = asyncio.create_task(tasks.wait("t"))
    await step("signal 0", tasks.kill("t", 0))
    await step("terminate", tasks.kill("t", signal.SIGTERM))
    await step("wait", ended(waiting))
    await transcript.events("/tasks/exit")
    await step("wait after the end", ended(tasks.wait("t")))
    await step("get when ended", tasks.get("t"))
    await step("kill when ended", tasks.kill("t", signal.SIGKILL))
    await step("kill all when ended", tasks.kill("t", signal.SIGKILL, all=True))
    await step("start when ended", tasks.start("t"))
    await step("pause when ended", tasks.pause("t"))
    await step("resume when ended", tasks.resume("t"))
    await step("update when ended", tasks.update("t", packed(RESOURCES, {"pids": {"limit": 50}})))
    await step("exec when ended", tasks.exec("t", "p", spec=packed(PROCESS, process("exit 0"))))
    await step("checkpoint when ended", tasks.checkpoint("t"))
    await step("close stdin when ended", tasks.close_io("t"))
    await step("resize when ended", tasks.resize_pty("t", "", 80, 24))
    await step("delete", ended(tasks.delete("t")))
    await step("delete again", tasks.delete("t"))
    await transcript.events()
    await step("delete the container", transcript.client.containers.delete("t"))
    await transcript.events()
    await _ends(transcript, root)


async def _ends(transcript: Transcript, root: types_pb2.Mount) -> None:
    step, tasks = transcript.step, transcript.client.tasks
    await make_container(transcript, "k", TRAP)
    await tasks.create("k", rootfs=[root])
    await tasks.start("k")
    await step("kill", tasks.kill("k", signal.SIGKILL))
    await transcript.events("/tasks/exit")
    await step("delete the killed one", ended(tasks.delete("k")))
    await make_container(transcript, "e", "exit 3")
    await tasks.create("e", rootfs=[root])
    await tasks.start("e")
    await transcript.events("/tasks/exit")
    await step("delete one that ended by itself", ended(tasks.delete("e")))
    await make_container(transcript, "n", "exit 0")
    await tasks.create("n", rootfs=[root])
    await transcript.events("/tasks/create")
    await step("delete one that never started", ended(tasks.delete("n")))
    await step("get it", tasks.get("n"))
    for name in ("k", "e", "n"):
        await transcript.client.containers.delete(name)


async def _refused(transcript: Transcript, state: str) -> None:
    step, tasks = transcript.step, transcript.client.tasks
    await step(f"get {state}", tasks.get("t"))
    await step(f"start {state}", tasks.start("t"))
    await step(f"kill {state}", tasks.kill("t", signal.SIGKILL))
    await step(f"wait {state}", tasks.wait("t"))
    await step(f"delete {state}", tasks.delete("t"))
    await step(f"pids {state}", tasks.list_pids("t"))
    await step(f"exec {state}", tasks.exec("t", "x", spec=AnyMessage()))
    await step(f"delete an exec {state}", tasks.delete_process("t", "x"))
    if state == "without a container":
        await step(f"create {state}", tasks.create("t"))
    await step(f"list {state}", tasks.list())


async def make_container(transcript: Transcript, id_: str, script: str) -> None:
    """Store the record of a container that runs a script."""
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    container = containers_pb2.Container(id=id_, runtime=runtime, spec=spec(transcript.client.namespace, id_, script))
    await transcript.client.containers.create(container)


async def made(pid: Awaitable[int]) -> str:
    """Say that there is a process, without its number."""
    return "a pid" if await pid > 0 else "none"


async def ended(end: Awaitable[Exit]) -> str:
    """Say how a process ended, without the time."""
    exit_ = await end
    return f"{exit_.code} {'at a time' if exit_.exited_at_ns > 0 else exit_.exited_at_ns}"


async def _metrics(transcript: Transcript, text: str) -> list[str]:
    return [f"{one.id} {bool(one.data.value)}" for one in await transcript.client.tasks.metrics(text)]


async def _pids(transcript: Transcript) -> list[str]:
    """The container's own process, whatever it has running beside it."""
    own = (await transcript.client.tasks.get("t")).pid
    return ["own" for one in await transcript.client.tasks.list_pids("t") if one.pid == own]
