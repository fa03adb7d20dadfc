"""Handle unix sockets as files: whether a process listens there, and whether the file is still the same."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Final

_PATIENCE: Final = 1.0  # seconds; connecting takes no time, unless the queue of a living server is full


def answers(path: str) -> bool:
    """Return whether a process has the socket at ``path``, also one that is not for streams."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(path)
        except (TimeoutError, BlockingIOError):
            return True
        except OSError as error:
            return error.errno == errno.EPROTOTYPE  # a process has a socket of another kind there
        return True


def identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of the file at ``path``, or None if it does not exist."""
    try:
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - runs every second, so without a Path
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def listen(path: str, mode: int, backlog: int) -> socket.socket:
    """Make a listening socket that has ``mode`` from the start; a socket left behind at ``path`` is removed.

    The caller must hold the lock that excludes another daemon of ours. Raises OSError if a program answers there, or
    if ``path`` is something other than a socket.
    """
    if answers(path):
        raise OSError(f"another program answers on {path}")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):  # noqa: PTH116 - as above
                os.unlink(path)  # noqa: PTH108 - as above
        made.bind(path)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    finally:
        os.umask(before)
    made.setblocking(False)
    return made
