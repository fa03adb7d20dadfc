"""Name the files and directories that a set-up may make, as paths of the node."""

from __future__ import annotations

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


def socket_of(endpoint: str) -> str:
    """Return the path of a socket that is given as an endpoint or a path; /var/run is a link to /run."""
    path = endpoint.removeprefix("unix://")
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def parents(path: str) -> list[str]:
    """Return the directories that lead to ``path``, the topmost first, without the root itself."""
    return [str(parent) for parent in Path(path).parents][-2::-1]
