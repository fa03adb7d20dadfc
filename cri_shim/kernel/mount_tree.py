"""Make id-mapped bind mounts, whose files appear with other owners, by the newer mount calls.

The module makes a detached copy of a mount, sets the mapping of a user namespace on it, and attaches it. The copy is a
slave of the original: mounts on the node still appear in it, while unmounting it never unmounts anything on the node.
Facts: open_tree(2), mount_setattr(2), move_mount(2), mount_namespaces(7); needs Linux 5.12 and a file system that
supports id mapping.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

# These numbers are the same on every architecture.
_SYS_OPEN_TREE: Final = 428
_SYS_MOVE_MOUNT: Final = 429
_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_MOUNT_ATTR_IDMAP: Final = 0x00100000
_MS_SLAVE: Final = 1 << 19
_MOUNT_ATTR_SIZE: Final = 32

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def mount_idmapped(source: str, target: str, userns: str) -> None:
    """Mount ``source`` and all below it on ``target``, with ids mapped by the user namespace at the file ``userns``.

    Raises ``OSError`` naming ``source``: EINVAL if its file system, or one mounted below it, supports no mapping.
    """
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = _call(_SYS_OPEN_TREE, "copy the mount of", source, _AT_FDCWD, os.fsencode(source), flags)
    try:
        namespace = os.open(userns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set(tree, source, struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, _MS_SLAVE, namespace))
        finally:
            os.close(namespace)
        _call(
            _SYS_MOVE_MOUNT,
            "attach the copy of",
            source,
            tree,
            b"",
            _AT_FDCWD,
            os.fsencode(target),
            _MOVE_MOUNT_F_EMPTY_PATH,
        )
    finally:
        os.close(tree)


def _set(tree: int, source: str, attributes: bytes) -> None:
    what = "map the ids of"
    _call(_SYS_MOUNT_SETATTR, what, source, tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes, _MOUNT_ATTR_SIZE)


def _call(number: int, what: str, path: str, *arguments: int | bytes) -> int:
    converted = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result >= 0:
        return result
    code = ctypes.get_errno()
    text = os.strerror(code).lower()
    if code == errno.EINVAL and number == _SYS_MOUNT_SETATTR:
        text = "its file system, or one mounted below it, does not support id mapping"
    raise OSError(code, f"{what}: {text}", path)
