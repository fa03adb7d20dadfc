"""Which cgroup driver the labs of this run use: LAB_CGROUP_DRIVER in the environment, ``cgroupfs`` or ``systemd``.

With the first a parent is a path; with the second a slice, whose name has its ancestors in it: ``a-b.slice`` lies in
``a.slice``, and containers are scopes that systemd makes. (systemd.slice(5))
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def by_systemd() -> bool:
    """Whether it is systemd's."""
    return os.environ.get("LAB_CGROUP_DRIVER", "cgroupfs") == "systemd"


def unified() -> bool:
    """Whether this machine has cgroup v2 alone."""
    return (ROOT / "cgroup.controllers").exists()


def parent(name: str) -> str:
    """A cgroup parent of this name, as a pod's configuration names it."""
    return f"{name}.slice" if by_systemd() else f"/{name}"


def child(of: str, name: str) -> str:
    """A parent below a parent, as the one of a single pod is."""
    return f"{of.removesuffix('.slice')}-{name}.slice" if by_systemd() else f"{of}/{name}"


def path(of: str) -> str:
    """Where a parent is, below the root of a hierarchy."""
    if not by_systemd():
        return of.strip("/")
    parts = of.removesuffix(".slice").split("-")
    return "/".join("-".join(parts[: count + 1]) + ".slice" for count in range(len(parts)))


def leaf(of: str, container_id: str) -> str:
    """Where the cgroup of a container is that has this parent."""
    return f"{path(of)}/{f'cri-containerd-{container_id}.scope' if by_systemd() else container_id}"


def drop(of: str) -> None:
    """Have systemd forget a slice, which it would keep; the cgroups of the other driver are just directories."""
    if by_systemd():
        subprocess.run(["systemctl", "stop", of], capture_output=True, check=False)
