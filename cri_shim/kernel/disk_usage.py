"""How much disk a directory takes, counted as containerd counts an active snapshot (continuity's fs.DiskUsage).

Blocks of 512 bytes of every inode below the directory and of the directory itself, each inode once however many links
it has; mount points are not entered, for a snapshot has none of its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

BLOCK: Final = 512


def disk_usage(directory: str, most: int) -> tuple[int, int] | None:
    """Bytes and inodes of ``directory``; None if there are more than ``most`` inodes. Blocks, so call it in a thread.

    What vanishes during the walk is not counted. Raises OSError when the directory itself cannot be looked at.
    """
    top = os.lstat(directory)
    seen = {(top.st_dev, top.st_ino)}
    size = top.st_blocks * BLOCK
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
                    waiting.append(entry.path)
    return size, len(seen)
