"""Signal the main process of a container or pod without containerd, where that is certain to have the same effect.

containerd has its shim run ``runc kill``, a large program that in the end makes one call of kill(2). With
plain runc and a PID namespace of the container's own, that call is all there is to a signal, so the daemon makes it by
itself. The process is known by its pid, its cgroup and its place in its PID namespace (see
:mod:`cri_shim.kernel.namespace_init`). In every case that is not certain containerd is asked, as without this module.
(docs/adr/0045)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.executors import FS, run

if TYPE_CHECKING:
    from cri_shim.concurrency.keyed_locks import KeyedLocks
    from cri_shim.kernel import Kernel
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


class DirectSignals:
    """Sends signals to main processes, as far as it may."""

    def __init__(
        self,
        kernel: Kernel,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        locks: KeyedLocks,
        *,
        enabled: bool,
    ) -> None:
        self._kernel = kernel
        self._sandboxes = sandboxes
        self._containers = containers
        self._locks = locks
        self._enabled = enabled

    async def send(self, id_: str, number: int) -> bool:
        """Send a signal to the main process of ``id_``; return False if containerd has to be asked to.

        True says that the process has it, not that it has ended. SIGKILL does not end a process that was frozen a
        moment before.
        """
        pid = self._pid(id_)
        if not pid:
            return False
        return await run(FS, self._kernel.signal_namespace_init, pid, number, id_)

    def _pid(self, id_: str) -> int:
        """Return the pid of the main process; 0 if it is unknown, or if this is not a case for this module.

        A container that is being checkpointed or changed holds its lock: the shim then delivers the signal when that is
        done, which must not be forestalled.
        """
        if not self._enabled or self._locks.of(id_).locked():
            return 0
        container = self._containers.exact(id_)
        if container is not None:
            return container.status.pid if container.plain_runc and container.running else 0
        sandbox = self._sandboxes.exact(id_)
        return sandbox.pid if sandbox is not None and sandbox.plain_runc and not sandbox.unknown_reason else 0
