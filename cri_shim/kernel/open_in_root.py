"""Open a file inside a container's root without following a path out of it, and read a small file there.

An image may contain ``/etc/passwd -> /proc/1/root/etc/shadow`` or a ``..`` too many. The kernel's solution is
openat2(2) with RESOLVE_IN_ROOT; ``walk_in_root`` does the same one component at a time where that call is missing or
forbidden (Linux before 5.6, old seccomp profiles).
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.small_file import read_opened

if TYPE_CHECKING:
    from cri_shim.kernel.protocol import Kernel

_MAX_LINKS: Final = 40  # what the kernel follows in one walk
_O_PATH_DIR: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def walk_in_root(root_fd: int, path: str, flags: int) -> int:
    """Open ``path`` relative to ``root_fd`` as its root, and return the new file descriptor.

    ``..`` at the root stays there and an absolute link starts again at the root, as in a chroot.
    Raises ``OSError``: ENOENT, ENOTDIR, ELOOP (more than 40 links), EACCES and so on, naming ``path``.
    """
    chain = [os.open(".", _O_PATH_DIR | os.O_DIRECTORY, dir_fd=root_fd)]
    todo = deque(part for part in path.split("/") if part not in ("", "."))
    links = 0
    try:
        while todo:
            part = todo.popleft()
            if part == "..":
                if len(chain) > 1:
                    os.close(chain.pop())
                continue
            fd = os.open(part, _O_PATH_DIR, dir_fd=chain[-1])
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode):
                os.close(fd)
                if not todo and flags & os.O_NOFOLLOW:
                    return os.open(part, flags | os.O_CLOEXEC, dir_fd=chain[-1])
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP).lower(), path)
                link = os.readlink(part, dir_fd=chain[-1])
                if link.startswith("/"):
                    while len(chain) > 1:
                        os.close(chain.pop())
                todo.extendleft(reversed([step for step in link.split("/") if step not in ("", ".")]))
            elif stat.S_ISDIR(mode):
                chain.append(fd)
            elif todo:
                os.close(fd)
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR).lower(), path)
            else:
                # Open again by name, because O_PATH does not allow reading. O_NOFOLLOW rejects a link put there since.
                os.close(fd)
                return os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=chain[-1])
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=chain[-1])
    except OSError as error:
        if error.filename != path:
            raise OSError(error.errno, error.strerror, path) from error
        raise
    finally:
        for fd in chain:
            os.close(fd)


def read_file_in_root(kernel: Kernel, root: str, path: str, limit: int) -> bytes | None:
    """Read a small regular file of the tree mounted at ``root``; return None if the file does not exist.

    Raises ``OSError``: EFBIG above ``limit`` bytes, EINVAL for anything but a regular file, ELOOP and so on.
    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = kernel.open_in_root(root_fd, path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    finally:
        os.close(root_fd)
    try:
        return read_opened(fd, path, limit)
    finally:
        os.close(fd)
