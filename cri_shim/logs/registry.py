"""The logs of all running containers, by container id: opened at their start, found again after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cri_shim.logs.fifo import FifoSet, StdinKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client.api.containerd.v1.types.types_pb2 import Process
    from cri_shim.logs.handle import LogHandle
    from cri_shim.logs.holding import Holding
    from cri_shim.logs.pump import LogPump
    from cri_shim.logs.tap import Tap
    from cri_shim.paths import Paths

log = structlog.get_logger(__name__)


class ContainerLogs:
    """The handles and stdins of all followed containers.

    Opening and closing touch the file system, so :meth:`open` may block.
    """

    def __init__(self, pump: LogPump, holding: Holding, paths: Paths, max_line: int) -> None:
        self._pump = pump
        self._holding = holding
        self._paths = paths
        self.max_line = max_line
        """Bytes of a line before it is split, for containers that are followed from now on; 0 or less: no limit."""
        self._handles: dict[str, LogHandle] = {}
        self._stdins: dict[str, StdinKeeper] = {}

    def open(self, container_id: str, log_path: str, *, stdin: bool, tty: bool) -> FifoSet:
        """Make the FIFOs of a container about to start and follow them into ``log_path`` (empty: drop the output).

        Raises ``OSError`` naming what cannot be made.
        """
        fifos = FifoSet.create(str(self._paths.container_state(container_id)), container_id, stdin=stdin, tty=tty)
        self._follow(container_id, log_path, fifos)
        return fifos

    async def wait_opened(self, container_id: str) -> None:
        """Wait until the log file is open.

        Raises ``OSError`` naming the file if it cannot be opened.
        """
        await self._handles[container_id].wait_opened()

    def resume(self, container_id: str, log_path: str, process: Process) -> None:
        """Follow a container that runs already, wherever its FIFOs are.

        Raises ``OSError`` if it has none.
        """
        fifos = FifoSet.of_process(process.stdin, process.stdout, process.stderr, terminal=process.terminal)
        self._follow(container_id, log_path, fifos)

    def collect(self, container_id: str, log_path: str, *, tty: bool) -> None:
        """Follow the FIFOs of a container that has ended, for the output that is still in them.

        Raises ``OSError`` if it has none.
        """
        fifos = FifoSet.existing(str(self._paths.container_state(container_id)), container_id, stdin=False, tty=tty)
        self._follow(container_id, log_path, fifos)
        fifos.touch_writers()

    def _follow(self, container_id: str, log_path: str, fifos: FifoSet) -> None:
        keeper = StdinKeeper(fifos.stdin) if fifos.stdin else None
        stdout, stderr = fifos.open_readers()
        if keeper is not None:
            self._stdins[container_id] = keeper
        self._holding.hold(container_id, fifos)
        self._handles[container_id] = self._pump.attach(container_id, stdout, stderr, log_path or None, self.max_line)

    def follows(self, container_id: str) -> bool:
        """Return whether the output of ``container_id`` is being followed."""
        return container_id in self._handles

    def listen(self, container_id: str, tap: Tap) -> Callable[[], None] | None:
        """Copy all output from now on to ``tap``; return its remover, or None if the container is not followed."""
        handle = self._handles.get(container_id)
        return handle.add_tap(tap) if handle is not None else None

    def stdin_fd(self, container_id: str) -> int:
        """Return the writing end of a container's stdin, which this object still owns; -1 without one."""
        keeper = self._stdins.get(container_id)
        return keeper.fd if keeper is not None else -1

    def close_stdin(self, container_id: str) -> None:
        """Let a container see the end of its stdin; a container without stdin is fine."""
        keeper = self._stdins.pop(container_id, None)
        if keeper is not None:
            keeper.close()

    async def wait_drained(self, container_id: str, seconds: float) -> bool:
        """Wait until all output is in the log.

        Return False if a process still holds the pipes open after ``seconds``.
        """
        self.close_stdin(container_id)
        handle = self._handles.get(container_id)
        if handle is not None and not await handle.wait_drained(seconds):
            return False
        self._holding.drop(container_id)
        return True

    async def reopen(self, container_id: str) -> None:
        """Open the log file anew after it was renamed.

        Raises ``OSError`` if the new file cannot be opened; the old one stays in use.
        """
        handle = self._handles.get(container_id)
        if handle is not None:
            await handle.reopen()

    def close(self, container_id: str) -> None:
        """Stop following a container; one that is not followed is fine."""
        self.close_stdin(container_id)
        self._holding.drop(container_id)
        handle = self._handles.pop(container_id, None)
        if handle is not None:
            handle.close()
