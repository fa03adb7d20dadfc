"""Name the files and directories that a set-up may make, as paths of the node."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

OWN_CONFIG: Final = "/etc/cri-shim/config.toml"
CONTAINERD_CONFIG: Final = "/etc/cri-shim/containerd.toml"
UNITS: Final = "/etc/systemd/system"
UNIT: Final = "cri-shim.service"
OWN_UNIT: Final = f"{UNITS}/{UNIT}"
DROP_IN: Final = "10-cri-shim.conf"
CONTAINERD_DROP_IN: Final = f"{UNITS}/containerd.service.d/{DROP_IN}"
KUBELET_DROP_IN: Final = f"{UNITS}/kubelet.service.d/{DROP_IN}"
KUBELET_CONFIG: Final = f"/etc/kubernetes/kubelet.conf.d/{DROP_IN}"
CRICTL: Final = "/etc/crictl.yaml"
SAMPLE_NETWORK: Final = "10-cri-shim.conflist"
STATE: Final = "/var/lib/cri-shim"
JOURNAL: Final = f"{STATE}/setup.json"
BACKUP: Final = ".before-cri-shim"
"""What the name of a copy ends in; it lies beside the file."""

MODES: Final = {STATE: 0o700}
"""The modes of directories that are not open to every user."""

LARGEST: Final = 1 << 20
"""Bytes of a file of the node that is read as a whole."""


_MOST_LINKS: Final = 40
"""Links on one path, as in Linux."""


def on_disk(root: Path, path: str, *, follow: bool = False) -> Path:
    """Return where the node's ``path`` is, for a node whose file system begins at ``root``. Blocks.

    Links on the way are links of the node: an absolute one begins at ``root``, too, and none leads out of it. A link
    at the end of the path is followed only on request. Raises OSError for links in a circle.
    """
    if root == Path("/"):
        return root / path.lstrip("/")
    place, links = root, 0
    parts = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    while parts:
        part = parts.pop()
        if part == "..":
            place = place if place == root else place.parent
            continue
        target = _link(place / part) if parts or follow else None
        if target is None:
            place /= part
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root / path.lstrip("/")))
        place = root if target.startswith("/") else place
        parts += [one for one in reversed(target.split("/")) if one not in {"", "."}]
    return place


def _link(place: Path) -> str | None:
    """Return where a link leads; None if there is no link."""
    return str(place.readlink()) if place.is_symlink() else None


def socket_of(endpoint: str) -> str:
    """Return the path of a socket that is given as an endpoint or a path; /var/run is a link to /run."""
    path = endpoint.removeprefix("unix://")
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def parents(path: str) -> list[str]:
    """Return the directories that lead to ``path``, the topmost first, without the root itself."""
    return [str(parent) for parent in Path(path).parents][-2::-1]
