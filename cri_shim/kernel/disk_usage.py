"""Measure the disk usage of a directory, as containerd does for an active snapshot (continuity's fs.DiskUsage).

It counts the blocks of 512 bytes of the directory and of every inode below it, each inode once however many links it
has. It does not enter mount points, because a snapshot has none of its own.

Most writable layers of containers have a handful of inodes, which stay the same for as long as the container runs. They
are remembered: while no directory's modification time changes, no inode was added, removed or replaced, and only their
sizes have to be read again.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Final

from msgspec import Struct

BLOCK: Final = 512
REMEMBERED: Final = 64
"""Largest number of inodes that are remembered; for larger directories the memory is worth more than the time."""

_STABLE_NS: Final = 1_000_000_000
"""Changes within this time may leave the same modification time, because the kernel's clock for it is coarse."""


class DiskUsage(Struct, frozen=True):
    """The totals and, if there are few, the inodes: ``directories`` with modification times, and ``others``."""

    size: int
    inodes: int
    directories: tuple[tuple[str, int], ...] = ()
    others: tuple[str, ...] = ()


def disk_usage(directory: str, most: int, before: DiskUsage | None = None) -> DiskUsage | None:
    """Return bytes and inodes of ``directory``, or None if it has more than ``most`` inodes. Blocks.

    Call it in a thread. ``before`` is the result of an earlier call. Files that vanish during the walk are not counted.
    Raises OSError if the directory itself cannot be read.
    """
    return (_again(before) if before is not None else None) or _walk(directory, most)


def _again(before: DiskUsage) -> DiskUsage | None:
    """Read the sizes again; return None if anything other than the sizes may have changed."""
    if not before.directories:
        return None
    size = 0
    try:
        for path, modified_ns in before.directories:
            status = os.lstat(path)
            if status.st_mtime_ns != modified_ns:
                return None
            size += status.st_blocks
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
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                inode = (status.st_dev, status.st_ino)
                if inode in seen:
                    continue
                if len(seen) >= most:
                    return None
                seen.add(inode)
                size += status.st_blocks * BLOCK
                if entry.is_dir(follow_symlinks=False) and status.st_dev == top.st_dev:
                    directories.append((entry.path, status.st_mtime_ns))
                    waiting.append(entry.path)
                else:
                    others.append(entry.path)
    stable = all(modified_ns < now_ns - _STABLE_NS for _, modified_ns in directories)
    if len(seen) > REMEMBERED or not stable:
        return DiskUsage(size, len(seen))
    return DiskUsage(size, len(seen), tuple(directories), tuple(others))
