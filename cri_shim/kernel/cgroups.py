"""Find the directories of cgroups, above all a container's, from what the kernel says of the process in it.

/proc/PID/cgroup gives the path whatever driver made the cgroup and whatever daemon started the container, so this
module need not compute slices or runc's defaults; it is read once in a container's life. The mount table gives the
directories of the hierarchies. (cgroups(7), proc(5))
"""

from __future__ import annotations

import functools
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIFIED = ""
"""The name of cgroup v2's only hierarchy in this module; /proc/PID/cgroup uses an empty name for it too."""

_CONTROLLERS = frozenset({"cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb"})


class Cgroup(Struct, frozen=True):
    """One cgroup: its path as the kernel reports it, and its directory in each hierarchy, by controller.

    The directories are kept as what they begin and end with. All cgroups of a node usually share the beginnings, and a
    thousand of them would take a kilobyte more each with six whole paths.
    """

    path: str
    beginnings: Mapping[str, str]
    end: str = ""

    @property
    def directories(self) -> Mapping[str, str]:
        """Return the directories by controller, built anew."""
        return {name: beginning + self.end for name, beginning in self.beginnings.items()}

    def directory(self, controller: str) -> str:
        """Return the directory of a controller; empty for one that is not mounted."""
        beginning = self.beginnings.get(controller)
        return "" if beginning is None else beginning + self.end

    def parent(self) -> Cgroup:
        """Return the parent cgroup."""
        return Cgroup(
            posixpath.dirname(self.path), {name: posixpath.dirname(path) for name, path in self.directories.items()}
        )


class Hierarchies(Struct, frozen=True):
    """The mounted hierarchies: controller → (mount point, cgroup that is mounted there)."""

    mounts: Mapping[str, tuple[str, str]]
    proc: str = "/proc"

    @classmethod
    def read(cls, *, unified: bool, proc: str = "/proc") -> Hierarchies:
        """Read the mount table: only cgroup v2 if ``unified``, else only v1 (a hybrid node counts as v1)."""
        text = Path(proc, "self/mountinfo").read_text(encoding="utf-8", errors="replace")
        return cls(mounts(text, unified=unified), proc)

    def find(self, pid: int, id_: str) -> Cgroup | None:
        """Return the cgroup of container ``id_``, whose first process is ``pid``, or None if that process is not in it.

        The process may be in a cgroup below its container's (an init system made its own), and its pid may belong to
        another process by now. The decision is therefore made by the component of the path that contains the id.
        """
        try:
            text = Path(self.proc, str(pid), "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        paths: dict[str, str] = {}
        path = ""
        for name, whole in memberships(text).items():
            mount = self.mounts.get(name)
            own = up_to(whole, id_)
            directory = None if mount is None or own is None else below(mount, own)
            if directory is not None and own is not None:
                paths[name] = directory
                path = path or own
        return _shared(path, paths) if paths else None

    def own(self) -> str | None:
        """Return the directory of this process's cgroup in one hierarchy, or None if it is outside the mounts."""
        paths = memberships(Path(self.proc, "self/cgroup").read_text(encoding="utf-8", errors="replace"))
        own_paths = (below(mount, paths[name]) for name, mount in sorted(self.mounts.items()) if name in paths)
        return next((path for path in own_paths if path is not None), None)

    def in_parent(self, parent: str, name: str) -> Cgroup | None:
        """Return the cgroup ``name``, which need not exist, in ``parent``; None if ``parent`` does not exist.

        This is for a pod without a process, whose cgroup is found by its parent, one of the kubelet's cgroups.
        ``parent`` is a path or, where systemd makes the cgroups, only the name of a slice.
        """
        for path in dict.fromkeys((parent, slice_path(posixpath.basename(parent)))):
            points = [point for point, _ in self.mounts.values()]
            if path.startswith("/") and any(Path(point + path).is_dir() for point in points):
                # Include all hierarchies: one without a cgroup from the kubelet gets one with the first container.
                own = f"{path}/{name}"
                return _shared(own, {controller: point + own for controller, (point, _) in self.mounts.items()})
        return None


def _shared(path: str, directories: dict[str, str]) -> Cgroup:
    """Return a cgroup that shares the beginnings of its directories with all others that have the same ones."""
    if not path or not all(directory.endswith(path) for directory in directories.values()):
        return Cgroup(path, directories)
    return Cgroup(path, _beginnings(tuple((name, each.removesuffix(path)) for name, each in directories.items())), path)


@functools.lru_cache(maxsize=32)
def _beginnings(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return dict(items)


def slice_path(name: str) -> str:
    """Return the path of a systemd slice, a level for each dash in its name (systemd.slice(5)); "" if not a slice."""
    stem, dot, kind = name.rpartition(".")
    if not dot or kind != "slice" or not stem:
        return ""
    parts = stem.split("-")
    return "".join(f"/{'-'.join(parts[: number + 1])}.slice" for number in range(len(parts)))


def mounts(mountinfo: str, *, unified: bool) -> dict[str, tuple[str, str]]:
    """Return controller → (mount point, root) of each controller's first mount."""
    mounts_read: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), (*after.split(), "", "", "")[:3]
        if len(fields) < 5 or kind != ("cgroup2" if unified else "cgroup"):
            continue
        place = (_unescaped(fields[4]), _unescaped(fields[3]))
        for name in [UNIFIED] if unified else _CONTROLLERS.intersection(options.split(",")):
            mounts_read.setdefault(name, place)
    return mounts_read


def memberships(text: str) -> dict[str, str]:
    """Parse /proc/PID/cgroup into controller → path; the empty name is cgroup v2."""
    memberships_read: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            memberships_read[name] = path
    return memberships_read


def up_to(path: str, id_: str) -> str | None:
    """Return the path up to the component that contains ``id_``; None if no component does."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if id_ in part:
            return "/".join(parts[: number + 1])
    return None


def below(mount: tuple[str, str], path: str) -> str | None:
    """Return the directory of cgroup ``path``; None if it is not below the mounted cgroup."""
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
