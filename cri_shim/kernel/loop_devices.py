"""Present files as block devices, for snapshots that are file system images (erofs, blockfile): loop(4).

A device is bound with "autoclear": the kernel frees it once no process has it open and nothing from it is mounted.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import contextmanager
from fcntl import ioctl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL: Final = "/dev/loop-control"
TRIES: Final = 32
"""Attempts to bind a free device, because another program may take each free device first."""

_GET_FREE: Final = 0x4C82
_CONFIGURE: Final = 0x4C0A
_READ_ONLY, _AUTOCLEAR = 1, 4
_CONFIG: Final = struct.Struct("=II 5Q4I 64s64s32s2Q 8Q")
"""``struct loop_config``: file, block size, a ``loop_info64`` with only its flags set, reserved fields."""


@contextmanager
def loop_device(file: str, *, read_only: bool) -> Iterator[str]:
    """Bind ``file`` to a free loop device and yield its path; if mounted in the block, it stays until the unmount.

    Raises OSError. Blocks.
    """
    access = os.O_RDONLY if read_only else os.O_RDWR
    backing = os.open(file, access | os.O_CLOEXEC)
    try:
        path, device = _bind(backing, access, (_READ_ONLY if read_only else 0) | _AUTOCLEAR)
    finally:
        os.close(backing)
    try:
        yield path
    finally:
        os.close(device)


def _bind(backing: int, access: int, flags: int) -> tuple[str, int]:
    zeros = b""
    config = _CONFIG.pack(backing, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, zeros, zeros, zeros, 0, 0, *([0] * 8))
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(TRIES):
            path = f"/dev/loop{ioctl(control, _GET_FREE)}"
            device = os.open(path, access | os.O_CLOEXEC)
            try:
                ioctl(device, _CONFIGURE, config)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise OSError(error.errno, error.strerror, path) from error
                continue
            return path, device
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, f"no free loop device after {TRIES} tries", CONTROL)
