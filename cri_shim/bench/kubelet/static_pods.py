"""Describe the static pods of a standalone kubelet: small, idle, with limits, like the other pods of a comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cri_shim.bench.endpoint.pod_configs import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX = "kubelet-"


def manifest(name: str, image: str) -> dict[str, Any]:
    """Return a pod of the Burstable class, whose container sleeps; its image is never pulled, because it is there."""
    resources = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["sleep", "86400"],
        "resources": resources,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


def write_manifests(directory: Path, count: int, image: str) -> None:
    """Write so many of them, each in a file of its own."""
    for number in range(count):
        name = f"{_PREFIX}{number}"
        (directory / f"{name}.json").write_text(json.dumps(manifest(name, image)), encoding="utf-8")
