"""Make the cgroup below which a kubelet makes all of its own, because it refuses a parent that does not exist.

With cgroup files it is a directory in every hierarchy, with systemd it is a slice: a slice needs no unit file, and
ends with all that is below it.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from cri_shim.bench.endpoint.cgroup_parents import SLICE
from cri_shim.bench.floor import cgroups
from cri_shim.bench.kubelet.process import KubeletError

if TYPE_CHECKING:
    from pathlib import Path

_CPUSET = ("cpuset.cpus", "cpuset.mems")
_SYSTEMCTL_WITHIN = 60.0


def make(parent: str, top: Path = cgroups.ROOT) -> None:
    """Make it; raises :class:`KubeletError`."""
    if parent.endswith(SLICE):
        _systemctl("start", parent)
        return
    for hierarchy in _hierarchies(top):
        own = hierarchy / parent.strip("/")
        try:
            own.mkdir(parents=True, exist_ok=True)
            for name in _CPUSET:
                if (own / name).exists() and not (own / name).read_text(encoding="ascii").strip():
                    # A v1 cpuset begins without processors, and a process cannot enter it.
                    (own / name).write_text((hierarchy / name).read_text(encoding="ascii"), encoding="ascii")
        except OSError as error:
            raise KubeletError(f"{own}: {error.strerror}: the kubelet needs a cgroup of its own") from error


def remove(parent: str) -> list[str]:
    """Remove it and what is below it; return in words what is left."""
    if parent.endswith(SLICE):
        with contextlib.suppress(KubeletError):
            _systemctl("stop", parent)
    return [] if cgroups.remove(parent) else [f"the cgroup {parent} is still in use"]


def _hierarchies(top: Path) -> list[Path]:
    """Return the one hierarchy of v2, or those of v1; names that are links stand for one that is there anyway."""
    if (top / "cgroup.controllers").exists():
        return [top]
    return [entry for entry in sorted(top.iterdir()) if (entry / "cgroup.procs").exists() and not entry.is_symlink()]


def _systemctl(verb: str, parent: str) -> None:
    """Start or stop the last slice of a path of slices. Raises :class:`KubeletError`."""
    name = parent.rpartition("/")[2]
    try:
        subprocess.run(["systemctl", verb, name], capture_output=True, timeout=_SYSTEMCTL_WITHIN, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise KubeletError(f"systemctl {verb} {name}: {error}") from error
