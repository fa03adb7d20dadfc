"""Find out which processes the kernel killed below a cgroup of version 2 because memory ran out.

Blocking; call it in a thread. ``oom_kill`` in memory.events counts the kills in a cgroup and in all below it, also in
those that have been removed since; the file of a removed cgroup is gone with it. So a kill that is counted in the
parent, and in no child that still exists, happened in a child that is gone. (kernel
Documentation/admin-guide/cgroup-v2.rst, memory.events)
"""

from __future__ import annotations

import errno
import os

from msgspec import Struct

from cri_shim.stats.files import read
from cri_shim.stats.parse import pairs

_FILE = "memory.events"
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV})
"""Errors of a cgroup that does not exist; the last one is that of a file that was open when it was removed."""


class Kills(Struct, frozen=True):
    """The kills in the requested child (``own``, None if it is gone) and in children that are gone (``vanished``)."""

    own: int | None
    vanished: int
    cgroup: int = 0
    """The inode of the directory, which a cgroup made later under the same name does not have; 0 if it is gone."""
    children: tuple[str, ...] = ()
    """The names of the children that still exist."""


def kills_below(directory: str, id_: str = "") -> Kills:
    """Count the kills below the cgroup at ``directory``, one of whose children has ``id_`` in its name.

    A directory that does not exist (yet), or does not count, has no kills. Raises OSError for one that cannot be read,
    because then nothing is known of kills.
    """
    # Read the sum first: it includes a child that is removed meanwhile, and excludes a kill that happens meanwhile.
    above = _count(directory)
    children = _children(directory)
    kills = {name: _count(f"{directory}/{name}") for name in children}
    own = next((kills[name] for name in children if id_ and id_ in name), None)
    living = sum(count or 0 for count in kills.values())
    return Kills(own, max(0, (above or 0) - living), _identity(directory), tuple(children))


def kills_in_all(directory: str) -> int:
    """Count all kills below the cgroup at ``directory``, with those in children that exist; for errors as above."""
    return _count(directory) or 0


def _count(directory: str) -> int | None:
    try:
        return pairs(read(f"{directory}/{_FILE}")).get(b"oom_kill", 0)
    except ValueError:
        return None
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return None


def _identity(directory: str) -> int:
    try:
        return os.stat(directory).st_ino  # noqa: PTH116
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return 0


def _children(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return []
