"""A root file system and a runtime spec that runc accepts; the fake needs neither."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.containerd_behaviour.scenarios.things import SPEC, packed

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

TRAP = "trap 'exit 7' TERM; while :; do sleep 0.05; done"
BUSYBOX = Path("/bin/busybox")


def process(script: str) -> dict[str, Any]:
    """Return the process of a runtime spec that runs a shell script."""
    return {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"]}


def rootfs(directory: Path) -> Path:
    """Return a root file system with a shell in it, as far as this machine has one."""
    root = directory / "rootfs"
    if not root.exists():
        (root / "bin").mkdir(parents=True)
        (root / "proc").mkdir()
        if BUSYBOX.exists():
            for name in ("sh", "sleep"):
                shutil.copy(BUSYBOX, root / "bin" / name)
    return root


def spec(namespace: str, id_: str, script: str) -> AnyMessage:
    """Return a runtime spec with namespaces of its own."""
    kinds = ("pid", "mount", "ipc", "uts", "network")
    return packed(
        SPEC,
        {
            "ociVersion": "1.0.2",
            "process": process(script),
            "root": {"path": "rootfs"},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {
                "namespaces": [{"type": kind} for kind in kinds],
                "cgroupsPath": f"/cri-shim-test-{namespace}-{os.getpid()}-{id_}",
            },
        },
    )
