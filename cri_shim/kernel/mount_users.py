"""What keeps a mount busy, for an error text: processes at work below it, files held open, and other mounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.mountinfo import read_mountinfo
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.kernel.mountinfo import MountPoint

SHOWN = 3
"""Users that are named; one more or less does not change what has to be done."""

_ROLES = (("cwd", "working directory"), ("root", "root directory"), ("exe", "program"))


def users_of(end: str, proc: Path = Path("/proc"), mounts: Iterable[MountPoint] | None = None) -> list[str]:
    """Up to three users of a mount point whose path ends with ``end``. Blocks.

    Each as ``process 12 (name), whose working directory is PATH``. Open files are looked for only where there is
    nothing else, because that is one look for each of them on the node.
    """
    points = read_mountinfo() if mounts is None else mounts
    found = [f"mount {escaped(point.path)} lies below it" for point in points if f"{end}/" in point.path][:SHOWN]
    processes = [entry for entry in proc.iterdir() if entry.name.isdecimal()]
    for links in (_roles, _open_files):
        for process in processes:
            place = next((role for role in links(process) if role.endswith(end) or f"{end}/" in role), "")
            if place:
                found.append(f"process {process.name} ({_name(process)}), whose {escaped(place)}")
            if len(found) >= SHOWN:
                return found
        if found:
            return found
    return found


def _roles(process: Path) -> Iterator[str]:
    for link, role in _ROLES:
        yield f"{role} is {_target(process / link)}"


def _open_files(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return  # it has ended
    for descriptor in descriptors:
        yield f"open file is {_target(descriptor)}"


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # it has ended, or has no such thing (a kernel thread)


def _name(process: Path) -> str:
    try:
        return escaped((process / "comm").read_text(errors="replace").strip())
    except OSError:
        return "ended meanwhile"
