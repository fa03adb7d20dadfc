"""The logs of all running containers, by container id: opened at start, found again after a restart."""

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
    """Who follows which container's output. Opening and closing touch the file system: :meth:`open` may block."""

    def __init__(self, pump: LogPump, holding: Holding, paths: Paths, max_line: int) -> None:
        self._pump = pump
        self._holding = holding
        self._paths = paths
        self._max_line = max_line
        self._handles: dict[str, LogHandle] = {}
        self._stdins: dict[str, StdinKeeper] = {}

    def open(self, container_id: str, log_path: str, *, stdin: bool, tty: bool) -> FifoSet:
        """Make the FIFOs of a container about to start and follow them into ``log_path`` (empty: nowhere).

        Raises OSError naming what cannot be made.
        """
        fifos = FifoSet.create(str(self._paths.container_state(container_id)), container_id, stdin=stdin, tty=tty)
        self._follow(container_id, log_path, fifos)
        return fifos

    async def wait_opened(self, container_id: str) -> None:
        """Wait until the log file is open; raises OSError naming it when it cannot be."""
        await self._handles[container_id].wait_opened()

    def resume(self, container_id: str, log_path: str, process: Process) -> None:
        """Follow a container that runs already, wherever its FIFOs are; raises OSError when there are none."""
        fifos = FifoSet.of_process(process.stdin, process.stdout, process.stderr, terminal=process.terminal)
        self._follow(container_id, log_path, fifos)

    def collect(self, container_id: str, log_path: str, *, tty: bool) -> None:
        """Follow the FIFOs of a container that has ended, for what is still in them; raises OSError without any."""
        fifos = FifoSet.existing(str(self._paths.container_state(container_id)), container_id, stdin=False, tty=tty)
        self._follow(container_id, log_path, fifos)
        fifos.touch_writers()

    def _follow(self, container_id: str, log_path: str, fifos: FifoSet) -> None:
        keeper = StdinKeeper(fifos.stdin) if fifos.stdin else None
        stdout, stderr = fifos.open_readers()
        if keeper is not None:
            self._stdins[container_id] = keeper
        self._holding.hold(container_id, fifos)
        self._handles[container_id] = self._pump.attach(container_id, stdout, stderr, log_path or None, self._max_line)

    def follows(self, container_id: str) -> bool:
        """Whether the output of ``container_id`` is being followed."""
        return container_id in self._handles

    def listen(self, container_id: str, tap: Tap) -> Callable[[], None] | None:
        """Have all output from now on copied to ``tap``; the remover, or None when the container is not followed."""
        handle = self._handles.get(container_id)
        return handle.add_tap(tap) if handle is not None else None

    def stdin_fd(self, container_id: str) -> int:
        """The writing end of a container's stdin, which stays this object's; -1 without one."""
        keeper = self._stdins.get(container_id)
        return keeper.fd if keeper is not None else -1

    def close_stdin(self, container_id: str) -> None:
        """Let a container see the end of its stdin; one without is fine."""
        keeper = self._stdins.pop(container_id, None)
        if keeper is not None:
            keeper.close()

    async def wait_drained(self, container_id: str, seconds: float) -> bool:
        """Wait until all output is in the log; False when somebody still holds the pipes open after ``seconds``."""
        self.close_stdin(container_id)
        handle = self._handles.get(container_id)
        if handle is not None and not await handle.wait_drained(seconds):
            return False
        self._holding.drop(container_id)
        return True

    async def reopen(self, container_id: str) -> None:
        """Open the log file anew after it was renamed; raises OSError when it cannot be, and the old one stays."""
        handle = self._handles.get(container_id)
        if handle is not None:
            await handle.reopen()

    def close(self, container_id: str) -> None:
        """Follow no longer; not following is fine."""
        self.close_stdin(container_id)
        self._holding.drop(container_id)
        handle = self._handles.pop(container_id, None)
        if handle is not None:
            handle.close()
