"""How much disk a directory takes, counted as containerd counts an active snapshot (continuity's fs.DiskUsage).

Blocks of 512 bytes of every inode below the directory and of the directory itself, each inode once however many links
it has; mount points are not entered, for a snapshot has none of its own.

Most writable layers of containers have a handful of inodes, which stay the same for as long as the container runs.
What they are is remembered: as long as no directory's modification time changes none has come, gone or been replaced,
and only how much they hold has to be asked again.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Final

from msgspec import Struct

BLOCK: Final = 512
REMEMBERED: Final = 64
"""Inodes of a directory that is remembered; the memory for larger ones is worth more than the time."""

_SETTLED_NS: Final = 1_000_000_000
"""Two changes so shortly after each other may leave the same modification time: the kernel's clock for it is coarse."""


class DiskUsage(Struct, frozen=True):
    """What was counted, and if it is small, in what: ``directories`` with their modification times, and ``others``."""

    size: int
    inodes: int
    directories: tuple[tuple[str, int], ...] = ()
    others: tuple[str, ...] = ()


def disk_usage(directory: str, most: int, before: DiskUsage | None = None) -> DiskUsage | None:
    """Bytes and inodes of ``directory``; None if there are more than ``most`` inodes. Blocks, so call it in a thread.

    ``before`` is what an earlier call has returned. What vanishes during the walk is not counted. Raises OSError when
    the directory itself cannot be looked at.
    """
    return (_again(before) if before is not None else None) or _walk(directory, most)


def _again(before: DiskUsage) -> DiskUsage | None:
    """None if anything but the inodes' size may have changed."""
    if not before.directories:
        return None
    size = 0
    try:
        for path, modified_ns in before.directories:
            found = os.lstat(path)
            if found.st_mtime_ns != modified_ns:
                return None
            size += found.st_blocks
        for path in before.others:
            size += os.lstat(path).st_blocks
    except OSError:
        return None
    return DiskUsage(size * BLOCK, before.inodes, before.directories, before.others)


def _walk(directory: str, most: int) -> DiskUsage | None:
    now_ns = time.time_ns()
    top = os.lstat(directory)
    seen = {(top.st_dev, top.st_ino)}
    size = top.st_blocks * BLOCK
    directories, others = [(directory, top.st_mtime_ns)], []
    waiting = [directory]
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                inode = (found.st_dev, found.st_ino)
                if inode in seen:
                    continue
                if len(seen) >= most:
                    return None
                seen.add(inode)
                size += found.st_blocks * BLOCK
                if entry.is_dir(follow_symlinks=False) and found.st_dev == top.st_dev:
                    directories.append((entry.path, found.st_mtime_ns))
                    waiting.append(entry.path)
                else:
                    others.append(entry.path)
    settled = all(modified_ns < now_ns - _SETTLED_NS for _, modified_ns in directories)
    if len(seen) > REMEMBERED or not settled:
        return DiskUsage(size, len(seen))
    return DiskUsage(size, len(seen), tuple(directories), tuple(others))
