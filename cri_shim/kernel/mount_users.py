"""Find what keeps a mount busy, for an error text: processes below it, open files, and other mounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.mountinfo import read_mountinfo
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.kernel.mountinfo import MountPoint

SHOWN = 3
"""Number of users that are named; more would not change what the administrator has to do."""

_ROLES = (("cwd", "working directory"), ("root", "root directory"), ("exe", "program"))


def users_of(end: str, proc: Path = Path("/proc"), mounts: Iterable[MountPoint] | None = None) -> list[str]:
    """Return up to three users of a mount point whose path ends with ``end``. Blocks.

    Each has the form ``process 12 (name), whose working directory is PATH``. Open files are searched only if nothing
    else was found, because that takes one readlink for each open file on the node.
    """
    points = read_mountinfo() if mounts is None else mounts
    users = [f"mount {escaped(point.path)} is below it" for point in points if f"{end}/" in point.path][:SHOWN]
    processes = [entry for entry in proc.iterdir() if entry.name.isdecimal()]
    for links in (_roles, _open_files):
        for process in processes:
            place = next((role for role in links(process) if role.endswith(end) or f"{end}/" in role), "")
            if place:
                users.append(f"process {process.name} ({_name(process)}), whose {escaped(place)}")
            if len(users) >= SHOWN:
                return users
        if users:
            return users
    return users


def _roles(process: Path) -> Iterator[str]:
    for link, role in _ROLES:
        yield f"{role} is {_target(process / link)}"


def _open_files(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return  # the process has ended
    for descriptor in descriptors:
        yield f"open file is {_target(descriptor)}"


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # the process has ended, or has no such link (a kernel thread)


def _name(process: Path) -> str:
    try:
        return escaped((process / "comm").read_text(errors="replace").strip())
    except OSError:
        return "ended meanwhile"
