"""The files that a pod's containers share."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.sandbox import pod_files as module
from cri_shim.lifecycle.sandbox.pod_files import node_file, resolv_conf, write_pod_files
from cri_shim.paths import Paths
from lab.pod_configs import NODE, POD, pod_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.kernel import RecordingKernel


@pytest.mark.parametrize(
    ("dns", "text"),
    [
        (cri.DNSConfig(), ""),
        (cri.DNSConfig(servers=["10.0.0.1", "10.0.0.2"]), "nameserver 10.0.0.1\nnameserver 10.0.0.2\n"),
        (
            cri.DNSConfig(servers=["10.0.0.1"], searches=["a", "b"], options=["ndots:5", "edns0"]),
            "search a b\nnameserver 10.0.0.1\noptions ndots:5 edns0\n",
        ),
    ],
)
def test_resolv_conf(dns: cri.DNSConfig, text: str) -> None:
    """What the kubelet decided, in the form of resolv.conf(5)."""
    assert resolv_conf(dns) == text


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("ipc", [POD, NODE])
def test_files(
    tmp_path: Path,
    kernel: RecordingKernel,
    monkeypatch: pytest.MonkeyPatch,
    *,
    own: bool,
    ipc: cri.NamespaceMode.ValueType,
) -> None:
    """Names are the pod's or the node's; a pod in the node's IPC namespace has no /dev/shm of its own."""
    (tmp_path / "node-hosts").write_text("127.0.0.1 node\n")
    (tmp_path / "node-resolv").write_text("nameserver 9.9.9.9\n")
    monkeypatch.setattr(module, "NODE_HOSTS", tmp_path / "node-hosts")
    monkeypatch.setattr(module, "NODE_RESOLV_CONF", tmp_path / "node-resolv")
    config = pod_config(ipc=ipc, hostname="web", dns_config=cri.DNSConfig(servers=["10.0.0.1"] if own else []))
    files = pod_files(Paths(tmp_path / "root", tmp_path / "state"), "s", config)
    write_pod_files(kernel, files, config)
    assert files.hostname.read_text() == "web\n"
    assert files.hosts.read_text() == "127.0.0.1 node\n"
    assert files.resolv_conf.read_text() == ("nameserver 10.0.0.1\n" if own else "nameserver 9.9.9.9\n")
    assert {path.stat().st_mode & 0o777 for path in (files.hostname, files.hosts, files.resolv_conf)} == {0o644}
    assert kernel.mounts == ([str(files.shm)] if ipc == POD else [])


def test_a_file_of_the_node(tmp_path: Path) -> None:
    """It is copied byte for byte, and where there is none the pod's is empty."""
    (tmp_path / "hosts").write_bytes(b"\xff\r\n")
    assert node_file(tmp_path / "hosts") == b"\xff\r\n"
    assert node_file(tmp_path / "none") == b""


@pytest.mark.parametrize("kind", ["directory", "pipe", "too large"])
def test_a_file_that_cannot_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The refusal names it; a pipe is not waited for."""
    monkeypatch.setattr(module, "FILE_LIMIT", 3)
    place = tmp_path / "hosts"
    if kind == "directory":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_text("1234")
    with pytest.raises(FailedPreconditionError, match=r"hosts of this node cannot be copied into the pod"):
        node_file(place)


def test_a_node_that_has_run_out_of_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be all right, and nothing else is said of it."""

    def read(_path: Path, _limit: int) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(module, "read_small_file", read)
    with pytest.raises(OSError, match="Too many open files"):
        node_file(tmp_path / "hosts")
