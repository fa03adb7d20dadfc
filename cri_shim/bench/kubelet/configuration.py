"""Write the configuration of a kubelet that runs alone: no API server, static pods, nothing of the node but its own.

A kubelet without ``--kubeconfig`` runs standalone. Everything that it keeps lies below one directory, its cgroups lie
below one parent, and its only port is on loopback. What it would do to the rest of the node is turned off: images are
not collected, iptables chains are not made, it does not lower its own OOM score, swap and cgroup v1 do not stop it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.bench.endpoint.cgroup_parents import SLICE
from cri_shim.bench.kubelet.process import KubeletError

if TYPE_CHECKING:
    from pathlib import Path

NODE_NAME = "cri-compare"
"""The kubelet appends it to the names of its static pods."""
_SPARE_PODS = 10
_SOCKET = "pod-resources/4294967295"
"""The longest path of a socket below the root directory, which the kubelet makes under a random number first."""
_LONGEST_SOCKET = 107
"""Bytes of a path of a socket (unix(7))."""


@dataclass(frozen=True, slots=True)
class KubeletPlace:
    """One side's kubelet: where it connects to, where its files are, and which cgroup its pods are below."""

    program: Path
    endpoint: str
    directory: Path
    logs: Path
    """The directory of the pods' logs."""
    cgroup_parent: str
    """A path, or a systemd slice (:mod:`cri_shim.bench.endpoint.cgroup_parents`)."""
    port: int

    @property
    def root(self) -> Path:
        """The directory that the kubelet keeps its pods in; it makes a mount of it."""
        return self.directory / "root"

    @property
    def manifests(self) -> Path:
        """The directory of the static pods."""
        return self.directory / "manifests"

    @property
    def configuration(self) -> Path:
        """The file that the kubelet reads."""
        return self.directory / "kubelet.json"

    @property
    def log(self) -> Path:
        """What the kubelet prints."""
        return self.directory / "kubelet.log"

    def command(self) -> list[str]:
        """Return the command line; everything that may stand in the file stands there."""
        return [
            str(self.program),
            f"--config={self.configuration}",
            f"--root-dir={self.root}",
            f"--cert-dir={self.directory / 'pki'}",
            f"--hostname-override={NODE_NAME}",
        ]

    def write(self, pods: int) -> None:
        """Make the directories and the file. Raises :class:`KubeletError` where the path is too long for a socket."""
        longest = len(os.fsencode(self.root / _SOCKET))
        if longest > _LONGEST_SOCKET:
            raise KubeletError(
                f"{self.root} is too long a path: the kubelet's sockets below it would have {longest} bytes, and "
                f"{_LONGEST_SOCKET} are allowed; set TMPDIR to a shorter one"
            )
        for directory in (self.directory, self.root, self.manifests, self.logs):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.configuration.write_text(json.dumps(document(self, pods), indent=1), encoding="utf-8")


def cgroup_root(parent: str) -> str:
    """Return a cgroup parent as the kubelet wants it: always a path, from which it makes the names of slices itself."""
    if not parent.endswith(SLICE):
        return f"/{parent.strip('/')}"
    return "/" + parent.rpartition("/")[2].removesuffix(SLICE).replace("-", "/")


def document(place: KubeletPlace, pods: int) -> dict[str, Any]:
    """Return the ``KubeletConfiguration`` of ``kubelet.config.k8s.io/v1beta1``; JSON is YAML as well."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": place.endpoint,
        "imageServiceEndpoint": place.endpoint,
        "staticPodPath": str(place.manifests),
        "podLogsDir": str(place.logs),
        "volumePluginDir": str(place.directory / "volume-plugins"),
        "address": "127.0.0.1",
        "port": place.port,
        "readOnlyPort": 0,
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "registerNode": False,
        "cgroupDriver": "systemd" if place.cgroup_parent.endswith(SLICE) else "cgroupfs",
        "cgroupRoot": cgroup_root(place.cgroup_parent),
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "maxPods": pods + _SPARE_PODS,
        "serializeImagePulls": False,
        # Images of an endpoint are not this kubelet's, and neither is the disk that they fill.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi"},
    }
