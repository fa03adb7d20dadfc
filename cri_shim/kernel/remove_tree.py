"""Remove a directory with all its content, however deep it is.

A container can make a tree of a hundred thousand levels in a volume of its image within a moment. ``shutil.rmtree``
needs a stack frame and an open file for each level, so such a container could never be removed. This module moves a
directory that is too deep to the top and removes it from there.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.kernel.mountinfo import read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPTH = 64
"""Levels that are open at the same time."""

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


class _Level(Struct):
    """An open directory, its name in its parent, and the entries that are left to remove."""

    fd: int
    name: str
    below: list[str]


def remove_tree(top: Path) -> None:
    """Remove the directory ``top`` and all below it, if it exists; never follows a link, but removes it. Blocks.

    Raises OSError naming the path that stays, with EBUSY for a mount point, which is not entered; may be called again.
    """
    try:
        descriptor = os.open(top, _DIR)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in _NO_DIRECTORY:
            raise
        top.unlink(missing_ok=True)
        return
    removal = _Removal(top, descriptor)
    try:
        removal.empty()
    finally:
        removal.close()
    with suppress(FileNotFoundError):
        top.rmdir()


class _Removal:
    """The removal of the content of one directory."""

    def __init__(self, top: Path, descriptor: int) -> None:
        self._top = top
        self._device = os.fstat(descriptor).st_dev
        self._levels = [_Level(descriptor, "", [])]
        self._moved = count()

    def empty(self) -> None:
        """Remove the content of the top directory, including what was moved there meanwhile."""
        top = self._levels[0]
        while self._scan(top):
            while top.below or len(self._levels) > 1:
                self._step()

    def close(self) -> None:
        """Close the open directories."""
        for level in self._levels:
            os.close(level.fd)

    def _step(self) -> None:
        """Go one level down, or finish the deepest one."""
        level = self._levels[-1]
        if not level.below:
            self._levels.pop()
            os.close(level.fd)
            with self._gone_is_fine(level.name):
                os.rmdir(level.name, dir_fd=self._levels[-1].fd)
        elif len(self._levels) < DEPTH:
            self._go_down(level, level.below.pop())
        else:
            self._move_up(level.fd, level.below.pop())

    def _go_down(self, level: _Level, name: str) -> None:
        with self._gone_is_fine(name):
            self._levels.append(_Level(os.open(name, _DIR, dir_fd=level.fd), name, []))
        below = self._levels[-1]
        if below is not level:
            self._check_device(below.fd)
            self._scan(below)

    def _scan(self, level: _Level) -> bool:
        """Remove everything except directories, and note those; returns whether there are any."""
        try:
            with os.scandir(level.fd) as entries:
                entries_read = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            error.filename = self._path()  # Python knows only the descriptor, and not even that while it reads
            raise
        level.below = [name for name, is_directory in entries_read if is_directory]
        for name, is_directory in entries_read:
            if not is_directory:
                with self._gone_is_fine(name):
                    os.unlink(name, dir_fd=level.fd)
        return bool(level.below)

    def _move_up(self, parent: int, name: str) -> None:
        with self._gone_is_fine(name):
            while True:
                try:
                    place = f".removing-{next(self._moved)}"
                    os.rename(name, place, src_dir_fd=parent, dst_dir_fd=self._levels[0].fd)
                except OSError as error:
                    if error.errno not in _TAKEN:  # the name is taken by an earlier attempt or by the container
                        raise
                else:
                    return

    def _check_device(self, descriptor: int) -> None:
        """Refuse to enter a mount; a different device alone may be a subvolume."""
        if os.fstat(descriptor).st_dev == self._device:
            return
        path = self._path()
        if any(mount.path == path for mount in read_mountinfo()):
            raise OSError(errno.EBUSY, "something is mounted on it", path)

    @contextmanager
    def _gone_is_fine(self, name: str) -> Iterator[None]:
        """Ignore that an entry is gone already; make any other OSError name the whole path."""
        try:
            yield
        except FileNotFoundError:
            return
        except OSError as error:
            error.filename = self._path(name)
            error.filename2 = None
            raise

    def _path(self, *more: str) -> str:
        return "/".join([str(self._top), *(level.name for level in self._levels[1:]), *more])
