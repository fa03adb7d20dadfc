"""Who was killed for want of memory below a cgroup of version 2. Blocks; call it in a thread.

``oom_kill`` in memory.events counts the kills in a cgroup and in all below it, also in those that have been removed
since; a cgroup's own file goes with it. What is counted above and found in no child any more happened in a child that
has gone. (kernel Documentation/admin-guide/cgroup-v2.rst, memory.events)
"""

from __future__ import annotations

import os

from msgspec import Struct

from cri_shim.stats.files import look
from cri_shim.stats.parse import pairs

_FILE = "memory.events"


class Kills(Struct, frozen=True):
    """``own``: in the child that was asked for, None when it has gone; ``vanished``: in children that have gone."""

    own: int | None
    vanished: int


def kills_below(directory: str, id_: str = "") -> Kills:
    """Count the kills below the cgroup at ``directory``, of whose children one has ``id_`` in its name.

    A directory that does not exist (yet), or does not count, gives ``Kills(None, 0)``.
    """
    # The sum first: a child that is removed meanwhile is in it, and a kill that comes meanwhile is not.
    above = _count(directory)
    children = _children(directory)
    kills = {name: _count(f"{directory}/{name}") for name in children}
    own = next((kills[name] for name in children if id_ and id_ in name), None)
    living = sum(count or 0 for count in kills.values())
    return Kills(own, max(0, (above or 0) - living))


def has_child(directory: str, id_: str) -> bool:
    """Whether a child of the cgroup at ``directory`` has ``id_`` in its name."""
    return any(id_ in name for name in _children(directory))


def _count(directory: str) -> int | None:
    events = look(f"{directory}/{_FILE}", pairs)
    return None if events is None else events.get(b"oom_kill", 0)


def _children(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
