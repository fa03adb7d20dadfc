"""Copy a directory as it is: owners, modes, times, links, holes, special files and extended attributes.

A VOLUME that an image declares starts with the image's own content. Every step is relative to open directories and
never follows a symbolic link, so a hostile image cannot make the copy read or write elsewhere. Each directory is opened
by its path from the top, one after another, so a deep tree costs neither stack nor descriptors; a path longer than the
kernel accepts is refused. ``security.selinux`` is left out, because the copy gets the label of its own place.
(containerd's continuity ``fs.CopyDir``)
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SKIPPED_ATTRIBUTES = frozenset({"security.selinux"})
_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EPERM, errno.ENODATA})
_NOT_LINKED = frozenset({errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENAMETOOLONG})
_CHUNK = 1 << 20


def copy_tree(source_fd: int, target: Path) -> None:
    """Copy the content of the open directory ``source_fd`` into the existing, empty directory ``target``.

    Blocking: call it in an executor. Raises ``OSError`` naming the entry, by its path in the copy.
    """
    target_fd = os.open(target, _DIR)
    try:
        _Copy(source_fd, target_fd, target).run()
    finally:
        os.close(target_fd)


class _Copy:
    """One copy in progress; paths are relative to both tops."""

    def __init__(self, source_fd: int, target_fd: int, target: Path) -> None:
        self._source_top = source_fd
        self._target_top = target_fd
        self._target = target
        self._linked: dict[tuple[int, int], str] = {}
        """Where the first name of each file that has several names has been copied to."""

    def run(self) -> None:
        made = []
        todo = ["."]
        while todo:
            directory = todo.pop()
            made.append(directory)
            with self._opened(directory) as (source, target):
                todo += self._fill(directory, source, target)
        # Last, because making an entry in a directory changes its times, and its mode may forbid making one.
        for directory in reversed(made):
            with self._naming(directory), self._opened(directory) as (source, target):
                _copy_attributes(source, target)

    def _fill(self, directory: str, source: int, target: int) -> list[str]:
        """Copy all entries except directories, which are made empty; return the paths of those."""
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        below = []
        for name in names:
            path = f"{directory}/{name}"
            with self._naming(path):
                info = os.stat(name, dir_fd=source, follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    os.mkdir(name, 0o700, dir_fd=target)
                    below.append(path)
                elif not self._link(info, path, target, name):
                    _copy_entry(source, target, name, info)
        return below

    def _link(self, info: os.stat_result, path: str, target: int, name: str) -> bool:
        """Link a file that has been copied under another name; return False if it has not been copied yet."""
        if info.st_nlink == 1:
            return False
        known = self._linked.setdefault((info.st_dev, info.st_ino), path)
        if known == path:
            return False
        try:
            os.link(known, name, src_dir_fd=self._target_top, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_LINKED:
                raise
            return False
        return True

    @contextmanager
    def _opened(self, directory: str) -> Iterator[tuple[int, int]]:
        with self._naming(directory):
            source = os.open(directory, _DIR, dir_fd=self._source_top)
            try:
                target = os.open(directory, _DIR, dir_fd=self._target_top)
            except OSError:
                os.close(source)
                raise
        try:
            yield source, target
        finally:
            os.close(source)
            os.close(target)

    @contextmanager
    def _naming(self, path: str) -> Iterator[None]:
        """Make an ``OSError`` name the place in the copy; the kernel's call knew only a number or a bare name."""
        try:
            yield
        except OSError as error:
            error.filename = f"{self._target}/{path.removeprefix('./')}"
            raise


def _copy_entry(source: int, target: int, name: str, info: os.stat_result) -> None:
    """Copy anything but a directory: a file, a symbolic link, a FIFO, a socket or a device."""
    if stat.S_ISREG(info.st_mode):
        _copy_file(source, target, name)
        return
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
    os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)  # mknod applied the umask
    _copy_extended(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}")
    os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(source_dir: int, target_dir: int, name: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_dir)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target_dir)
        try:
            _copy_content(source, target)
            _copy_attributes(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int) -> None:
    """Copy the data and leave the holes of a sparse file, which may be larger than the disk."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    offset = 0
    while offset < size:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # the rest is a hole
        end = os.lseek(source, offset, os.SEEK_HOLE)
        os.lseek(target, offset, os.SEEK_SET)
        while offset < end:
            sent = os.sendfile(target, source, offset, min(_CHUNK, end - offset))
            if not sent:
                return
            offset += sent


def _copy_attributes(source: int, target: int) -> None:
    """Copy owner, mode, times and extended attributes.

    The owner before the mode, because chown clears the set-uid bit.
    """
    info = os.fstat(source)
    os.fchown(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    _copy_extended(source, target)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def _copy_extended(source: int | str, target: int | str) -> None:
    """Copy extended attributes; for a path, the last component is not followed."""
    followed = isinstance(source, int)
    for name in os.listxattr(source, follow_symlinks=followed):
        if name in _SKIPPED_ATTRIBUTES:
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=followed), follow_symlinks=followed)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
