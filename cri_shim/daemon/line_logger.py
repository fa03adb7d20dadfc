"""Write finished lines of the log, and never wait long for the program that reads them.

Standard error is usually a pipe or a socket: of systemd's journal, or of whatever started the daemon. If that program
stops reading, a write would stop the event loop, and with it every pod of the node. A line is rather lost.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from typing import TextIO

PATIENCE: Final = 0.5
"""Seconds for which the first line waits for a reader that is behind; the lines after it wait no more."""
_CHUNK: Final = select.PIPE_BUF
"""Bytes that a pipe takes without waiting once it can be written to."""


class LineLogger:
    """Writes finished lines. A line that cannot be written is lost, because no request may fail over its log line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._poll = _poll_of(stream)
        self._lock = threading.Lock()
        self._behind = False
        self._torn = False
        self._lost = 0

    def msg(self, line: str) -> None:
        """Write one line at once and in one piece."""
        try:
            if self._poll is None:
                self._stream.write(line + "\n")
                self._stream.flush()
                return
            with self._lock:
                lost = self._written(self._poll, f"{line}\n".encode(errors="backslashreplace"))
        except (OSError, ValueError):
            return
        if lost:
            structlog.get_logger(__name__).warning("log.lines_lost", lines=lost)

    def _written(self, poll: select.poll, data: bytes) -> int:
        """Write a line, or count it as lost; return how many were lost before, once the reader reads again."""
        if self._torn:
            data = b"\n" + data
        for start in range(0, len(data), _CHUNK):
            if not poll.poll(0 if self._behind else PATIENCE * 1000):
                self._behind = True
                self._torn = self._torn or start > 0
                self._lost += 1
                return 0
            os.write(self._stream.fileno(), data[start : start + _CHUNK])
        self._behind = self._torn = False
        lost, self._lost = self._lost, 0
        return lost

    debug = info = warning = warn = error = critical = exception = fatal = log = failure = msg


def _poll_of(stream: TextIO) -> select.poll | None:
    """Return what tells whether ``stream`` can be written to without waiting; None for a file, which never waits."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll
