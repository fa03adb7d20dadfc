"""Write one container's log file: append whole entries, replace the file for rotation, and never stop the container.

A full or broken disk must not block the container (containerd drains the pipe too, internal/cri/io/logger.go). What
cannot be written is dropped and counted, the reason is logged at most once a minute, and the next write tries again.
The file only ever holds whole entries: a write that was cut short, by the disk or by a SIGKILL in the middle of it, is
cut back to the last newline.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Final

import structlog

SEARCH_BACK: Final = 64 * 1024  # bytes searched for the start of a torn entry; a longer one gets a newline instead
QUIET: Final = 60.0  # seconds between two reports about the same container
OPEN_AGAIN: Final = 1.0  # seconds between two attempts to open a file that could not be opened

log = structlog.get_logger(__name__)


class LogFile:
    """The file at ``path``; :meth:`open` opens it, or the first write after that has failed.

    Not thread-safe.
    """

    def __init__(self, path: str, container_id: str) -> None:
        self.path = path
        self.errors = 0
        """How many writes failed."""
        self._container_id = container_id
        self._fd = -1
        self._torn = False
        self._quiet_until = 0.0
        self._open_again = 0.0

    def open(self) -> None:
        """Open the file, or open ``path`` anew (rotation): the old file is closed once the new one is open.

        Raises ``OSError`` if the file cannot be made; an old one stays in use.
        """
        self._open_again = time.monotonic() + OPEN_AGAIN
        Path(self.path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # A FIFO or a terminal in the file's place would block the thread that writes the logs of all containers.
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
        try:
            torn = _close_torn_entry(fd)
        except OSError:
            os.close(fd)
            raise
        old, self._fd, self._torn = self._fd, fd, torn
        if old >= 0:
            os.close(old)

    def write(self, entries: bytes) -> bool:
        """Append ``entries``, which end with a newline; return False if a part could not be written and is lost."""
        done = 0
        try:
            if self._fd < 0:
                if time.monotonic() < self._open_again:
                    self.errors += 1
                    return False
                self.open()
            if self._torn:
                os.write(self._fd, b"\n")
                self._torn = False
            done = os.write(self._fd, entries)
            while done < len(entries):
                done += os.write(self._fd, memoryview(entries)[done:])
        except OSError as error:
            self.errors += 1
            self._cut_back(done - (entries.rfind(b"\n", 0, done) + 1))
            self._report(error, len(entries) - done)
            return False
        return True

    def _cut_back(self, size: int) -> None:
        # Remove the last `size` bytes, which are the beginning of an entry whose end did not fit.
        if size > 0:
            try:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - size)
            except OSError:
                self._torn = True  # then at least the next entry begins on a line of its own

    def _report(self, error: OSError, dropped: int) -> None:
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + QUIET
        log.error(
            "log.write_failed",
            container=self._container_id,
            path=self.path,
            error=str(error),
            dropped_bytes=dropped,
            failures=self.errors,
        )

    def close(self) -> None:
        """Close the file; it may be opened again."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the descriptor is closed even when close(2) fails
                os.close(self._fd)
            self._fd = -1


def _close_torn_entry(fd: int) -> bool:
    # A daemon killed within write(2) leaves the beginning of an entry. Its content is still in the FIFO and will be
    # written again, so the fragment is removed. Return True if there is no newline near the end, and the caller has to
    # write one.
    size = os.fstat(fd).st_size
    if size == 0:
        return False
    start = max(0, size - SEARCH_BACK)
    tail = os.pread(fd, size - start, start)
    whole = tail.rfind(b"\n") + 1
    if whole == len(tail):
        return False
    if whole == 0 and start > 0:
        return True
    os.ftruncate(fd, start + whole)
    return False
