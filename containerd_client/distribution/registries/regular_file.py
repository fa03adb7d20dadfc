"""Read small files of the node: hosts.toml, certificates, keys.

A FIFO, a device or fifty megabytes in the place of such a file must not hold up a pull. A file is therefore opened
without blocking, must be a regular file, and is read up to a limit.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1 << 20
"""Largest certificate or key file in bytes; a bundle of all public authorities has a quarter of that."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular_file(path: Path, limit: int = LARGEST) -> bytes:
    """Return the bytes of a file; blocks only as long as the disk does.

    Raises OSError for a file that cannot be opened, and ValueError for one that is not a regular file or
    has more than ``limit`` bytes.
    """
    _require_regular(path.stat())  # before opening, because opening some devices has side effects
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        _require_regular(os.fstat(descriptor))
        data = bytearray()
        while len(data) <= limit and (more := file.read(limit + 1 - len(data))):
            data += more
    if len(data) > limit:
        raise ValueError(f"has more than {limit} bytes")
    return bytes(data)


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ValueError(f"is {kind}, not a regular file")
