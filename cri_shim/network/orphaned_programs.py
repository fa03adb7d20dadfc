"""Find CNI plugins that a killed daemon had started and that still run.

A plugin outlives the daemon that started it, and its work must not be undone while it is still at it. So a DEL first
waits for the plugins that still work on the same sandbox, for as long as the daemon that started them would have
waited.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

_PROC: Final = Path("/proc")

log = structlog.get_logger(__name__)


class OrphanedPrograms:
    """The plugins that ran when this daemon started, by the sandbox that they work on, held as pidfds."""

    def __init__(self) -> None:
        self._pidfds: dict[str, list[int]] = {}
        self._until = 0.0

    def scan(self) -> None:
        """Scan the processes of the node, which blocks for some milliseconds."""
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                self._examine(int(entry.name))

    def set_limit(self, seconds: float) -> None:
        """Give all of them ``seconds`` from now to end."""
        self._until = asyncio.get_running_loop().time() + seconds

    async def ended(self, sandbox_id: str) -> None:
        """Wait until no plugin works on a sandbox any more; kill one whose time is over."""
        for pidfd in self._pidfds.pop(sandbox_id, ()):
            log.info("network.orphaned_program", sandbox_id=sandbox_id)
            await self._ended(pidfd)

    async def _ended(self, pidfd: int) -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(pidfd, end.set)
        try:
            async with asyncio.timeout_at(self._until):
                await end.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    def close(self) -> None:
        """Forget all of them; they run on."""
        for pidfd in (each for pidfds in self._pidfds.values() for each in pidfds):
            os.close(pidfd)
        self._pidfds.clear()

    def _examine(self, pid: int) -> None:
        if not _sandbox_of(pid):
            return
        with suppress(OSError):  # it has ended meanwhile
            pidfd = os.pidfd_open(pid)
            sandbox_id = _sandbox_of(pid)  # again, since the pid may belong to another process by now
            if sandbox_id:
                self._pidfds.setdefault(sandbox_id, []).append(pidfd)
            else:
                os.close(pidfd)


def _sandbox_of(pid: int) -> str:
    """Return the sandbox that a process was started for (its CNI_CONTAINERID); empty for any other process."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    values = dict(item.partition(b"=")[::2] for item in environment.split(b"\0"))
    if b"CNI_COMMAND" not in values:
        return ""
    return values.get(b"CNI_CONTAINERID", b"").decode(errors="replace")
