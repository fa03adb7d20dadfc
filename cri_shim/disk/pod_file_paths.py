"""The paths of the files that the containers of a pod share: hostname, hosts, resolv.conf and /dev/shm.

:mod:`cri_shim.lifecycle.sandbox.pod_files` writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from cri_shim.paths import Paths


class PodFiles(Struct, frozen=True):
    """The paths of the shared files of one pod."""

    hostname: Path
    hosts: Path
    resolv_conf: Path
    shm: Path
    """The node's own /dev/shm for pods that share the node's IPC namespace."""


def pod_files(paths: Paths, sandbox_id: str, config: cri.PodSandboxConfig) -> PodFiles:
    """Return the paths of the files; nothing is made."""
    root = paths.sandbox_root(sandbox_id)
    host_ipc = config.linux.security_context.namespace_options.ipc == cri.NODE
    return PodFiles(
        hostname=root / "hostname",
        hosts=root / "hosts",
        resolv_conf=root / "resolv.conf",
        shm=Path("/dev/shm") if host_ipc else paths.sandbox_state(sandbox_id) / "shm",  # noqa: S108
    )
