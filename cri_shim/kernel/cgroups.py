"""Where cgroups lie, a container's above all: asked of the kernel, by the process in it.

/proc/PID/cgroup tells it whatever driver made the cgroup and whatever daemon started the container, so neither slices
nor defaults of runc have to be worked out here; it is read once in a container's life. The mount table tells where
the hierarchies are. (cgroups(7), proc(5))
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIFIED = ""
"""The name under which cgroup v2's only hierarchy is kept here; /proc/PID/cgroup has an empty name for it, too."""

_CONTROLLERS = frozenset({"cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb"})


class Cgroup(Struct, frozen=True):
    """One cgroup: its path as the kernel says it, and its directory in each hierarchy, by controller."""

    path: str
    directories: Mapping[str, str]

    def parent(self) -> Cgroup:
        """The cgroup around it."""
        return Cgroup(
            posixpath.dirname(self.path), {name: posixpath.dirname(path) for name, path in self.directories.items()}
        )


class Hierarchies(Struct, frozen=True):
    """The mounted hierarchies: controller → (mount point, which cgroup is mounted there)."""

    mounts: Mapping[str, tuple[str, str]]
    proc: str = "/proc"

    @classmethod
    def read(cls, *, unified: bool, proc: str = "/proc") -> Hierarchies:
        """Look at the mount table. ``unified``: only cgroup v2 counts, or else only v1 (a hybrid node is v1)."""
        text = Path(proc, "self/mountinfo").read_text(encoding="utf-8", errors="replace")
        return cls(mounts(text, unified=unified), proc)

    def find(self, pid: int, id_: str) -> Cgroup | None:
        """The cgroup of container ``id_``, whose first process is ``pid``; None when that process is not in it.

        The process may sit below its container's cgroup (an init system that made its own), and its number may belong
        to somebody else by now: what counts is the part of the path that has the id.
        """
        try:
            text = Path(self.proc, str(pid), "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found: dict[str, str] = {}
        path = ""
        for name, whole in memberships(text).items():
            mount = self.mounts.get(name)
            own = up_to(whole, id_)
            directory = None if mount is None or own is None else below(mount, own)
            if directory is not None and own is not None:
                found[name] = directory
                path = path or own
        return Cgroup(path, found) if found else None

    def own(self) -> str | None:
        """The directory of this process's cgroup in one of them, None where it lies outside of what is mounted."""
        paths = memberships(Path(self.proc, "self/cgroup").read_text(encoding="utf-8", errors="replace"))
        found = (below(mount, paths[name]) for name, mount in sorted(self.mounts.items()) if name in paths)
        return next((path for path in found if path is not None), None)

    def in_parent(self, parent: str, name: str) -> Cgroup | None:
        """The cgroup ``name``, which need not exist, in one of the kubelet's, which must; None where it does not.

        For a pod in which no process is, to whose parent this leads. ``parent`` is a path or, where systemd makes the
        cgroups, a slice by its name alone.
        """
        for path in dict.fromkeys((parent, slice_path(posixpath.basename(parent)))):
            points = [point for point, _ in self.mounts.values()]
            if path.startswith("/") and any(Path(point + path).is_dir() for point in points):
                # All of them: a hierarchy in which the kubelet has made none gets one with the first container.
                own = f"{path}/{name}"
                return Cgroup(own, {controller: point + own for controller, (point, _) in self.mounts.items()})
        return None


def slice_path(name: str) -> str:
    """Where systemd puts a slice: each dash in its name is a level (systemd.slice(5)); empty for what is no slice."""
    stem, dot, kind = name.rpartition(".")
    if not dot or kind != "slice" or not stem:
        return ""
    parts = stem.split("-")
    return "".join(f"/{'-'.join(parts[: number + 1])}.slice" for number in range(len(parts)))


def mounts(mountinfo: str, *, unified: bool) -> dict[str, tuple[str, str]]:
    """Controller → (mount point, root) of the first mount of each."""
    found: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), (*after.split(), "", "", "")[:3]
        if len(fields) < 5 or kind != ("cgroup2" if unified else "cgroup"):
            continue
        place = (_unescaped(fields[4]), _unescaped(fields[3]))
        for name in [UNIFIED] if unified else _CONTROLLERS.intersection(options.split(",")):
            found.setdefault(name, place)
    return found


def memberships(text: str) -> dict[str, str]:
    """/proc/PID/cgroup: controller → path; the empty name is cgroup v2."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            found[name] = path
    return found


def up_to(path: str, id_: str) -> str | None:
    """The path up to the part that has ``id_`` in it; None when no part has."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if id_ in part:
            return "/".join(parts[: number + 1])
    return None


def below(mount: tuple[str, str], path: str) -> str | None:
    """The directory of cgroup ``path``; None when it is not below the cgroup that is mounted."""
    point, root = mount
    if root == "/":
        return point + path
    if path == root or path.startswith(f"{root}/"):
        return point + path[len(root) :]
    return None


def _unescaped(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
