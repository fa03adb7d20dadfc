"""Copy a directory as it is: owners, modes, times, links, devices and extended attributes.

What an image declares as a VOLUME starts with the image's own content. Everything is done relative to open
directories and never follows a symbolic link, so a hostile image cannot make the copy read or write elsewhere.
``security.selinux`` is left out: the copy gets the label of where it lies. (containerd's continuity ``fs.CopyDir``)
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SKIPPED_ATTRIBUTES = frozenset({"security.selinux"})
_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EPERM, errno.ENODATA})
_CHUNK = 1 << 20


def copy_tree(source_fd: int, target: Path) -> None:
    """Copy what is in the open directory ``source_fd`` into the existing, empty directory ``target``.

    Raises OSError naming the entry. Blocks: call it in an executor.
    """
    target_fd = os.open(target, _DIR)
    try:
        _copy_entries(source_fd, target_fd)
        _copy_attributes(source_fd, target_fd)
    finally:
        os.close(target_fd)


def _copy_entries(source_fd: int, target_fd: int) -> None:
    with os.scandir(source_fd) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        info = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
        if stat.S_ISDIR(info.st_mode):
            _copy_directory(source_fd, target_fd, name)
        elif stat.S_ISREG(info.st_mode):
            _copy_file(source_fd, target_fd, name)
        elif stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(name, dir_fd=source_fd), name, dir_fd=target_fd)
            os.chown(name, info.st_uid, info.st_gid, dir_fd=target_fd, follow_symlinks=False)
        elif not stat.S_ISSOCK(info.st_mode):
            os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target_fd)
            os.chown(name, info.st_uid, info.st_gid, dir_fd=target_fd, follow_symlinks=False)


def _copy_directory(source_fd: int, target_fd: int, name: str) -> None:
    os.mkdir(name, 0o700, dir_fd=target_fd)
    source = os.open(name, _DIR, dir_fd=source_fd)
    try:
        target = os.open(name, _DIR, dir_fd=target_fd)
        try:
            _copy_entries(source, target)
            _copy_attributes(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_file(source_fd: int, target_fd: int, name: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_fd)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target_fd)
        try:
            while os.sendfile(target, source, None, _CHUNK):
                pass
            _copy_attributes(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_attributes(source: int, target: int) -> None:
    """Owner before mode, because chown clears the set-uid bit."""
    info = os.fstat(source)
    os.fchown(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source):
        if name in _SKIPPED_ATTRIBUTES:
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
