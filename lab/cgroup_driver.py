"""Choose the cgroup driver of this run's labs: LAB_CGROUP_DRIVER in the environment, ``cgroupfs`` or ``systemd``.

With ``cgroupfs`` a parent is a path. With ``systemd`` it is a slice, whose name contains its ancestors: ``a-b.slice``
lies in ``a.slice``, and containers are scopes that systemd makes. (systemd.slice(5))
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def by_systemd() -> bool:
    """Return whether the driver is systemd."""
    return os.environ.get("LAB_CGROUP_DRIVER", "cgroupfs") == "systemd"


def unified() -> bool:
    """Return whether this machine has only cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def parent(name: str) -> str:
    """Return a cgroup parent of this name in the form of a pod's configuration."""
    return f"{name}.slice" if by_systemd() else f"/{name}"


def child(of: str, name: str) -> str:
    """Return a parent below a parent, such as that of a single pod."""
    return f"{of.removesuffix('.slice')}-{name}.slice" if by_systemd() else f"{of}/{name}"


def path(of: str) -> str:
    """Return the path of a parent below the root of a hierarchy."""
    if not by_systemd():
        return of.strip("/")
    parts = of.removesuffix(".slice").split("-")
    return "/".join("-".join(parts[: count + 1]) + ".slice" for count in range(len(parts)))


def leaf(of: str, container_id: str) -> str:
    """Return the cgroup path of a container that has this parent."""
    return f"{path(of)}/{f'cri-containerd-{container_id}.scope' if by_systemd() else container_id}"


def drop(of: str) -> None:
    """Make systemd forget a slice, which it would keep; the cgroups of the other driver are plain directories."""
    if by_systemd():
        subprocess.run(["systemctl", "stop", of], capture_output=True, check=False)
