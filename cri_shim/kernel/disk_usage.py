"""Measure the disk usage of a directory, as containerd does for an active snapshot (continuity's fs.DiskUsage).

It counts the blocks of 512 bytes of the directory and of every inode below it, each inode once however many links it
has. It does not enter mount points, because a snapshot has none of its own.

Most writable layers of containers have a handful of inodes, which stay the same for as long as the container runs. They
are remembered: while no directory's change time moves, no inode was added, removed or replaced, and only their sizes
have to be read again. Modification times would not do, because a process in the container may set them: with ``touch``
it could hide what it has written, or name a year that no 64 bits of nanoseconds can hold.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

BLOCK: Final = 512
REMEMBERED: Final = 64
"""Largest number of inodes that are remembered; for larger directories the memory is worth more than the time."""

_TIME: Final = struct.Struct("=q")
_STABLE_NS: Final = 1_000_000_000
"""Changes within this time may leave the same change time, because the kernel's clock for it is coarse."""


class DiskUsage(Struct, frozen=True):
    """The totals and, if there are few, the inodes: directories with change times, and others.

    Names are relative to the directory that was counted and joined into one text, and so are the times, because a node
    with hundreds of pods remembers thousands of inodes.
    """

    size: int
    inodes: int
    directories: str = ""
    """Each name has a slash before it; that of the directory itself is empty."""
    changed: bytes = b""
    """One time in nanoseconds for each of the directories."""
    others: str = ""


def disk_usage(directory: str, most: int, before: DiskUsage | None = None) -> DiskUsage | None:
    """Return bytes and inodes of ``directory``, or None if it has more than ``most`` inodes. Blocks.

    Call it in a thread. ``before`` is the result of an earlier call. Files that vanish during the walk are not counted.
    Raises OSError if the directory itself cannot be read.
    """
    return (_again(directory, before) if before is not None else None) or _walk(directory, most)


def _again(directory: str, before: DiskUsage) -> DiskUsage | None:
    """Read the sizes again; return None if anything other than the sizes may have changed."""
    if not before.changed:
        return None
    size = 0
    try:
        for name, (changed_ns,) in zip(before.directories.split("\0"), _TIME.iter_unpack(before.changed), strict=True):
            status = os.lstat(directory + name)
            if status.st_ctime_ns != changed_ns:
                return None
            size += status.st_blocks
        for name in before.others.split("\0") if before.others else ():
            size += os.lstat(directory + name).st_blocks
    except OSError:
        return None
    return replace(before, size=size * BLOCK)


def _walk(directory: str, most: int) -> DiskUsage | None:
    now_ns = time.time_ns()
    top = os.lstat(directory)
    seen = {(top.st_dev, top.st_ino)}
    size = top.st_blocks * BLOCK
    directories, others = [(directory, top.st_ctime_ns)], list[str]()
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
                    directories.append((entry.path, status.st_ctime_ns))
                    waiting.append(entry.path)
                else:
                    others.append(entry.path)
    stable = all(changed_ns < now_ns - _STABLE_NS for _, changed_ns in directories)
    if len(seen) > REMEMBERED or not stable:
        return DiskUsage(size, len(seen))
    return DiskUsage(
        size,
        len(seen),
        "\0".join(path.removeprefix(directory) for path, _ in directories),
        b"".join(_TIME.pack(changed_ns) for _, changed_ns in directories),
        "\0".join(path.removeprefix(directory) for path in others),
    )
