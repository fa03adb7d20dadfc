"""Read a small regular file at a path that others choose, whatever is there.

Opening a file can do harm: a FIFO blocks until another process writes, and a device may start to work (a watchdog
starts to count). The path is therefore first opened without access (O_PATH) and its type is checked; only a regular
file is then opened for reading, through the descriptor and so without a second look-up of the path.

``containerd_client`` may not import this package and has its own reader, ``distribution/registries/regular_file.py``.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}
_CHUNK: Final = 65536


def read_small_file(path: str | Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes; symbolic links are followed. Blocks.

    Raises OSError naming the path: EINVAL for a file that is not regular or has no end, EFBIG for more than ``limit``
    bytes.
    """
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return read_opened(descriptor, str(path), limit)
    finally:
        os.close(descriptor)


def read_opened(descriptor: int, path: str, limit: int) -> bytes:
    """Do the same for a file that is open with O_PATH; ``path`` is only for errors, and the descriptor stays open."""
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"not a regular file but {_KINDS.get(stat.S_IFMT(mode), 'something else')}", path)
    try:
        reading = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        content = _content(reading, limit)
    except BlockingIOError as error:
        raise OSError(errno.EINVAL, "not a file with an end but a source that waits for data", path) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(reading)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
    return content


def _content(descriptor: int, limit: int) -> bytes:
    """Read to the end, or until one byte more than ``limit``."""
    pieces: list[bytes] = []
    left = limit + 1
    while left and (piece := os.read(descriptor, min(left, _CHUNK))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
