"""Keep with a pod how many kills of its cgroup have been attributed, for the daemon that comes after this one.

The file lies in the pod's volatile directory and goes with it. Without it, a new daemon cannot know whether a kill that
the pod's cgroup counts happened before it or to a container that ended while no daemon ran (docs/adr/0053).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "oom-kills"
_LONGEST: Final = 64


def write_oom_count(directory: Path, cgroup: int, count: int) -> None:
    """Write how many kills the cgroup with this inode has had that are attributed. Blocks; raises OSError."""
    write_file(directory / NAME, f"{cgroup} {count}\n".encode(), mode=0o600)


def read_oom_count(directory: Path) -> tuple[int, int] | None:
    """Return the cgroup's inode and the number; None for a pod without the file, or whose file is damaged.

    Blocks; raises OSError for a file that is there and cannot be read.
    """
    try:
        words = read_small_file(directory / NAME, _LONGEST).split()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EFBIG}:  # absent, or damaged
            return None
        raise
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    return int(words[0]), int(words[1])
