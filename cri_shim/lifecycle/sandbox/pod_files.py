"""Make the files that a pod's containers share: hostname, hosts, resolv.conf and /dev/shm.

Sources: CRI PodSandboxConfig (hostname, dns_config); containerd pkg/cri/server/sandbox_run_linux.go.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.lifecycle.pod_sharing import pod_hostname
from cri_shim.node_faults import is_node_fault

if TYPE_CHECKING:
    from cri_shim.disk.pod_file_paths import PodFiles
    from cri_shim.kernel import Kernel

NODE_HOSTS = Path("/etc/hosts")
NODE_RESOLV_CONF = Path("/etc/resolv.conf")

FILE_LIMIT = 16 << 20
"""Largest size in bytes of a file of the node that is copied into every pod."""

_SHM_OPTIONS = "mode=1777,size=65536k"
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


def write_pod_files(kernel: Kernel, files: PodFiles, config: cri.PodSandboxConfig) -> None:
    """Make the files and mount /dev/shm. Blocks: call it in an executor.

    Raises OSError that names the path, and FailedPreconditionError for a file of the node that cannot be copied.
    """
    files.hostname.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    _write(files.hostname, f"{pod_hostname(config)}\n".encode())
    _write(files.hosts, node_file(NODE_HOSTS))
    # An empty dns_config asks for nothing special, so the pod gets the node's file.
    _write(files.resolv_conf, resolv_conf(config.dns_config).encode() or node_file(NODE_RESOLV_CONF))
    if config.linux.security_context.namespace_options.ipc != cri.NODE:
        files.shm.mkdir(parents=True, exist_ok=True, mode=0o700)
        kernel.mount("shm", str(files.shm), "tmpfs", _MS_NOSUID_NODEV_NOEXEC, _SHM_OPTIONS)


def resolv_conf(dns: cri.DNSConfig) -> str:
    """Return the kubelet's DNS settings in the form of resolv.conf(5)."""
    lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"nameserver {server}" for server in dns.servers]
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    return "".join(line + "\n" for line in lines)


def node_file(path: Path) -> bytes:
    """Return a file of the node as a pod gets it, byte for byte; empty if the file does not exist.

    Raises FailedPreconditionError for what cannot be copied (a directory, a FIFO, a file without end), and OSError when
    the node is at fault and not the file.
    """
    try:
        return read_small_file(path, FILE_LIMIT)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if is_node_fault(error):
            raise
        raise FailedPreconditionError(
            f"{path} of this node cannot be copied into the pod: {error.strerror}; it must be a readable file"
        ) from error


def _write(path: Path, content: bytes) -> None:
    write_file(path, content)
    path.chmod(0o644)
