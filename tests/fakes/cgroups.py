"""Cgroups of version 1 that are plain files: a hierarchy for each controller, and what /proc says of who is in them.

Reading the node's own mount table would cost more than all the rest of making a service, and on a node with a thousand
mounts a test would be slow for a reason that has nothing to do with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.kernel.mountinfo import MountPoint

if TYPE_CHECKING:
    from pathlib import Path

CONTROLLERS = ("blkio", "cpu", "cpuacct", "hugetlb", "memory", "pids")
MEMORY_LIMIT = 1 << 28


class FakeCgroups:
    """The hierarchies below ``directory``, which need not exist: then no process is in a cgroup that is known."""

    def __init__(self, directory: Path) -> None:
        self._points = {name: directory / name for name in CONTROLLERS}
        self._proc = directory / "proc"

    def hierarchies(self, *, unified: bool = False, proc: str = "/proc") -> Hierarchies:
        """Return what :meth:`Hierarchies.read` finds on this node; both arguments are ignored."""
        del unified, proc
        return Hierarchies({name: (str(point), "/") for name, point in self._points.items()}, str(self._proc))

    def mounts(self) -> list[MountPoint]:
        """Return the hierarchies as lines of the mount table."""
        return [
            MountPoint(number, 1, f"0:{number}", "/", str(point), (), (), "cgroup", "cgroup", (name,))
            for number, (name, point) in enumerate(self._points.items(), 2)
        ]

    def put(self, pid: int, path: str, *, cpu_ns: int, memory: int) -> None:
        """Put the process ``pid`` into the cgroup ``path``, whose counters are what the arguments say.

        The cgroup above it gets the same counters, as if there were nothing else in it.
        """
        self._proc.joinpath(str(pid)).mkdir(parents=True, exist_ok=True)
        lines = [f"{number}:{name}:{path}\n" for number, name in enumerate(CONTROLLERS, 1)]
        self._proc.joinpath(str(pid), "cgroup").write_text("".join(lines))
        parent = path.rpartition("/")[0]
        for each in filter(None, (parent, path)):
            self._write("cpuacct", each, "cpuacct.usage", f"{cpu_ns}\n")
            self._write("memory", each, "memory.usage_in_bytes", f"{memory}\n")
            self._write("memory", each, "memory.limit_in_bytes", f"{MEMORY_LIMIT}\n")
            self._write("memory", each, "memory.stat", f"total_rss {memory}\ntotal_cache 0\ntotal_inactive_file 0\n")
        self._write("pids", path, "cgroup.procs", f"{pid}\n")

    def directory(self, controller: str, path: str) -> Path:
        """Return the directory of a cgroup."""
        return self._points[controller] / path.lstrip("/")

    def _write(self, controller: str, path: str, name: str, text: str) -> None:
        directory = self.directory(controller, path)
        directory.mkdir(parents=True, exist_ok=True)
        directory.joinpath(name).write_text(text)
