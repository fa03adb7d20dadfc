"""Restore the lost file of a pod's network namespace for as long as it takes to end the pod.

Another program may have unmounted or removed the file while the pod's processes run, and these still hold the
namespace. CNI plugins find what they made on the node by what is inside the namespace: a DEL without the namespace
succeeds and leaves the rules of iptables behind for ever.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cri_shim.kernel.executors import MOUNT, run
from cri_shim.kernel.mounts import MS_BIND
from cri_shim.kernel.protocol import is_namespace_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.kernel import Kernel
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

log = structlog.get_logger(__name__)


async def give_file_back(kernel: Kernel, containers: Index[Container], sandbox: Sandbox) -> None:
    """Bind the network namespace of the pod's processes to its file if the file is lost.

    If it is not, this costs one system call.
    """
    if sandbox.network_down or not sandbox.netns_path:
        return
    with suppress(OSError):
        if is_namespace_file(kernel, sandbox.netns_path):
            return
    members = [each for each in containers if each.sandbox_id == sandbox.id]
    pids = [(sandbox.id, sandbox.pid), *((each.id, each.status.pid) for each in members if each.running)]
    if await run(MOUNT, bind_again, kernel, sandbox.netns_path, [(id_, pid) for id_, pid in pids if pid]):
        log.info("sandbox.network_namespace_found", sandbox_id=sandbox.id, path=sandbox.netns_path)


def bind_again(kernel: Kernel, path: str, pids: Sequence[tuple[str, int]], proc: Path = Path("/proc")) -> bool:
    """Bind the network namespace of the first process that still exists to ``path``; False without one. Blocks.

    ``pids`` are ids of containers and their processes. A process whose cgroups do not name the container is another one
    that has got the number meanwhile.
    """
    for id_, pid in pids:
        with suppress(OSError):
            namespace = os.open(proc / str(pid) / "ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if id_ in (proc / str(pid) / "cgroup").read_text(errors="replace"):
                    Path(path).touch(mode=0o600)
                    kernel.mount(f"/proc/self/fd/{namespace}", path, "", MS_BIND, "")
                    return True
            finally:
                os.close(namespace)
    return False
