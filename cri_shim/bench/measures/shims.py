"""Find the processes between a runtime's daemons and its containers: containerd's shims, conmon, and others.

They outlive the daemon that started them, as children of init, so their parents do not show to which side they belong.
A shim of containerd has the address of its containerd in its arguments, even while it has no container. Every other
monitor is identified by what it watches: it is the parent of a container's first process, and the container is
identified by its cgroup, whose parent the comparison chose.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_PROC = Path("/proc")
_PARENT = 1  # index among the fields of /proc/PID/stat after the name
_FIRST_PROCESSES = {0, 1}


def shims_of(
    addresses: Sequence[str], cgroup_parent: str, daemons: Collection[int] = (), proc: Path = _PROC
) -> list[int]:
    """Return the process ids of the shims that serve one of the sockets or a container below ``cgroup_parent``.

    ``daemons`` are not shims, even where containers are their children.
    """
    marks = [f"\0-address\0{address.removeprefix('unix://')}\0".encode() for address in addresses]
    below = f":/{cgroup_parent.strip('/')}/"
    shims = set()
    cgroups = {}
    for process in (entry for entry in proc.iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):  # it ended meanwhile
            cgroups[int(process.name)] = (process / "cgroup").read_text()
            if _is_shim(process, marks):
                shims.add(int(process.name))
    for pid, cgroup in cgroups.items():
        if below in cgroup:
            with contextlib.suppress(OSError):
                parent = _parent(proc / str(pid))
                # The parent of a later process is in the same container; conmon may live beside it in the pod's cgroup.
                if cgroups.get(parent, cgroup) != cgroup:
                    shims.add(parent)
    return sorted(shims - _FIRST_PROCESSES - set(daemons))


def _is_shim(process: Path, marks: Sequence[bytes]) -> bool:
    line = (process / "cmdline").read_bytes()
    return b"containerd-shim" in line.split(b"\0", 1)[0] and any(mark in line for mark in marks)


def _parent(process: Path) -> int:
    return int((process / "stat").read_text().rpartition(")")[2].split()[_PARENT])
