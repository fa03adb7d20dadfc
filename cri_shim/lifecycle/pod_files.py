"""The files of a pod that its containers share: hostname, hosts, resolv.conf and /dev/shm.

Sources: CRI PodSandboxConfig (hostname, dns_config); containerd pkg/cri/server/sandbox_run_linux.go.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.write_file import write_file

if TYPE_CHECKING:
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

_SHM_OPTIONS = "mode=1777,size=65536k"
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


class PodFiles(Struct, frozen=True):
    """Where the shared files of one pod are."""

    hostname: Path
    hosts: Path
    resolv_conf: Path
    shm: Path
    """The node's own /dev/shm for pods that share the node's IPC namespace."""


def pod_files(paths: Paths, sandbox_id: str, config: cri.PodSandboxConfig) -> PodFiles:
    """Name the files; nothing is made."""
    root = paths.sandbox_root(sandbox_id)
    host_ipc = config.linux.security_context.namespace_options.ipc == cri.NODE
    return PodFiles(
        hostname=root / "hostname",
        hosts=root / "hosts",
        resolv_conf=root / "resolv.conf",
        shm=Path("/dev/shm") if host_ipc else paths.sandbox_state(sandbox_id) / "shm",  # noqa: S108
    )


def pod_hostname(config: cri.PodSandboxConfig) -> str:
    """The pod's hostname; the node's own where the request names none (a pod on the node's network)."""
    return config.hostname or socket.gethostname()


def write_pod_files(kernel: Kernel, files: PodFiles, config: cri.PodSandboxConfig) -> None:
    """Make the files and mount /dev/shm; raises OSError naming the path. Blocks: call it in an executor."""
    files.hostname.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    _write(files.hostname, pod_hostname(config) + "\n")
    _write(files.hosts, _host_file("/etc/hosts"))
    _write(
        files.resolv_conf,
        resolv_conf(config.dns_config) if config.HasField("dns_config") else _host_file("/etc/resolv.conf"),
    )
    if config.linux.security_context.namespace_options.ipc != cri.NODE:
        files.shm.mkdir(parents=True, exist_ok=True, mode=0o700)
        kernel.mount("shm", str(files.shm), "tmpfs", _MS_NOSUID_NODEV_NOEXEC, _SHM_OPTIONS)


def resolv_conf(dns: cri.DNSConfig) -> str:
    """What the kubelet decided, as resolv.conf(5) has it."""
    lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"nameserver {server}" for server in dns.servers]
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    return "".join(line + "\n" for line in lines)


def _host_file(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    write_file(path, text.encode())
    path.chmod(0o644)
