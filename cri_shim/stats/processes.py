"""List the processes of a cgroup, and the network interfaces they see.

Blocking; call it in a thread.
"""

from __future__ import annotations

import contextlib
import os

from cri_shim.stats import files
from cri_shim.stats.parse import interfaces, open_files_limit
from cri_shim.stats.values import Interface, Processes


def pids(directory: str) -> list[bytes]:
    """Return the processes in a cgroup, or, if it has none of its own, in those below it (cgroup v2 allows only one).

    This is a loop and not a recursion, because containers may nest cgroups deeper than the stack. Raises ``OSError`` if
    the cgroup is gone.
    """
    members, todo = _members_or_children(directory)
    while todo:
        with contextlib.suppress(OSError):
            more, below = _members_or_children(todo.pop())
            members += more
            todo += below
    return members


def _members_or_children(directory: str) -> tuple[list[bytes], list[str]]:
    own = [pid for pid in files.read(f"{directory}/cgroup.procs").split() if pid.isdigit()]
    if own:
        return own, []
    with os.scandir(directory) as entries:
        return [], [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def count(directory: str) -> int | None:
    """Return how many processes the cgroup has; None if it is gone."""
    try:
        return len(pids(directory))
    except OSError:
        return None


def opened(directory: str, first: int, proc: str = "/proc") -> Processes | None:
    """Return what the processes have open, and the limit of ``first``; None if the cgroup is gone."""
    try:
        members = pids(directory)
    except OSError:
        return None
    descriptors = sockets = 0
    for pid in members:
        with contextlib.suppress(OSError):  # the process ended meanwhile
            for name in os.listdir(f"{proc}/{int(pid)}/fd"):  # noqa: PTH208 - hot, and only names are wanted
                descriptors += 1
                with contextlib.suppress(OSError):
                    sockets += os.readlink(f"{proc}/{int(pid)}/fd/{name}").startswith("socket:")  # noqa: PTH115
    return Processes(
        len(members),
        descriptors,
        sockets,
        files.read_optional(f"{proc}/{first}/limits", open_files_limit) if first else None,
    )


def network(pid: int, proc: str = "/proc") -> tuple[Interface, ...]:
    """Return the interfaces of the network namespace of ``pid``, without entering it; none if the process has ended."""
    return files.read_optional(f"{proc}/{pid}/net/dev", interfaces) or ()


def network_of_thread() -> tuple[Interface, ...]:
    """Return the interfaces of the network namespace that the calling thread is in."""
    return files.read_optional("/proc/thread-self/net/dev", interfaces) or ()
