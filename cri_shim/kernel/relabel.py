"""Set the SELinux label of files, so that a container may use them (selinux(8), xattr(7))."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_ATTRIBUTE = "security.selinux"
_NEVER = frozenset({
    "/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow", "/home", "/lib", "/lib64", "/media",
    "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/system", "/tmp", "/usr", "/var", "/var/lib",  # noqa: S108 - paths that are rejected
    "/var/log",
})  # fmt: skip


def relabel(path: str, label: str) -> None:
    """Set ``label`` on everything below ``path``, and then on ``path``; links are labelled and not followed.

    A file system without labels is left unchanged, and files that vanish meanwhile are skipped. Raises OSError, and
    ValueError for a directory that the node itself needs. Blocks, and takes long on a large tree.
    """
    if os.path.realpath(path) in _NEVER:
        raise ValueError(f"{path} belongs to the node and cannot be relabelled")
    value = label.encode() + b"\0"
    if Path(path).is_dir() and not Path(path).is_symlink():
        for directory, names, files in os.walk(path, topdown=False):
            for name in (*names, *files):
                _set(os.path.join(directory, name), value)  # noqa: PTH118 - a Path for each of many files is slow
    _set(path, value)


def _set(path: str, value: bytes) -> None:
    try:
        os.setxattr(path, _ATTRIBUTE, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in {errno.ENOTSUP, errno.ENOENT}:
            raise
