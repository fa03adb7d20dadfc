"""Look at the content of a FIFO without consuming it, and consume it later.

tee(2) makes a second reference to the FIFO's pages in a scratch pipe, which is then read; the FIFO itself is emptied
with splice(2) into /dev/null, so no byte is copied twice. Between the two steps the caller writes its log: killed at
any moment, it has consumed nothing that it had not written.
"""

from __future__ import annotations

import array
import fcntl
import os
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Tee = Callable[[int, int, int], int]
    """``tee(fd_in, fd_out, size) -> int``: tee(2) without blocking; raises ``OSError`` (``BlockingIOError``: empty)."""


def waiting(fd: int) -> int:
    """Return how many bytes the FIFO ``fd`` holds (FIONREAD)."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def pipe_size(fd: int) -> int:
    """Return how many bytes the FIFO ``fd`` can hold at most (F_GETPIPE_SZ)."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def grow(fd: int, size: int) -> None:
    """Enlarge the FIFO ``fd`` to hold ``size`` bytes; where the system does not allow that, it keeps its size."""
    try:
        if pipe_size(fd) < size:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
    except OSError:  # over pipe-max-size or pipe-user-pages-soft, or in use; the only effect is smaller chunks
        return


class Peek:
    """The scratch pipe of one thread, with the two steps :meth:`head` and :meth:`take`."""

    def __init__(self, tee: Tee) -> None:
        self._tee = tee
        self._out, self._in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._null = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)

    def fit(self, fd: int) -> None:
        """Make the scratch pipe as large as the FIFO ``fd``, since tee stops when a pipe's slots are used up."""
        grow(self._in, pipe_size(fd))

    def head(self, fd: int, size: int) -> bytes:
        """Return up to ``size`` bytes from the head of the FIFO ``fd`` without removing them.

        Empty if there is nothing.
        """
        try:
            count = self._tee(fd, self._in, size)
        except BlockingIOError:
            return b""
        if count <= 0:
            return b""
        chunk = os.read(self._out, count)
        while len(chunk) < count:
            chunk += os.read(self._out, count - len(chunk))
        return chunk

    def take(self, fd: int, size: int) -> None:
        """Remove ``size`` bytes, which :meth:`head` has returned, from the FIFO ``fd``."""
        while size > 0:
            moved = os.splice(fd, self._null, size)
            if moved <= 0:
                raise OSError(f"fifo {fd} lost {size} bytes that were seen in it: another process reads it")
            size -= moved

    def close(self) -> None:
        """Close the scratch pipe."""
        for fd in (self._out, self._in, self._null):
            os.close(fd)
