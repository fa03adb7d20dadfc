"""Which mounts carry an SELinux label, and which sources are relabelled."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
from containerd_client.api.containerd.types.types_pb2 import Mount as SnapshotMount
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.pod_file_paths import PodFiles
from cri_shim.errors import InvalidArgumentError
from cri_shim.kernel.relabel import relabel
from cri_shim.lifecycle.container.relabel_sources import relabel_sources, to_relabel
from cri_shim.lifecycle.snapshots import labelled, mount_label_of
from cri_shim.paths import Paths
from cri_shim.state.stored.spec import pack_spec


def test_a_file_system_of_our_own_is_labelled_whole():
    """An overlay gets the option that labels all its files; a bind mount cannot; without a label nothing changes."""
    mounts = [SnapshotMount(type="overlay", options=["lowerdir=/a:/b"]), SnapshotMount(type="bind", options=["ro"])]
    assert [list(mount.options) for mount in labelled(mounts, "")] == [["lowerdir=/a:/b"], ["ro"]]
    options = [list(mount.options) for mount in labelled(mounts, "u:r:t:s0:c1,c2")]
    assert options == [["lowerdir=/a:/b", 'context="u:r:t:s0:c1,c2"'], ["ro"]]


def test_the_label_is_read_off_the_record():
    """After a restart the record's spec says how a container's file system is labelled."""
    for spec, label in (({"linux": {"mountLabel": "l"}}, "l"), ({"linux": {}}, ""), ({}, "")):
        assert mount_label_of(Record(id="x", spec=pack_spec(spec))) == label


def test_only_what_is_asked_and_the_pods_files_are_relabelled(tmp_path):
    """Volumes that the kubelet wants relabelled and the pod's own files that are seen; no image, no other volume."""
    (tmp_path / "link").symlink_to("real")
    config = cri.ContainerConfig(
        mounts=[
            cri.Mount(container_path="/a", host_path=str(tmp_path / "link"), selinux_relabel=True),
            cri.Mount(container_path="/etc/hosts", host_path="/other"),
            cri.Mount(container_path="/c", image=cri.ImageSpec(image="i"), selinux_relabel=True),
        ]
    )
    files = PodFiles(Path("/p/hostname"), Path("/p/hosts"), Path("/p/resolv.conf"), Path("/p/shm"))
    assert to_relabel(config, files) == [str(tmp_path / "real"), "/p/hostname", "/p/resolv.conf", "/p/shm"]
    of_the_node = PodFiles(files.hostname, files.hosts, files.resolv_conf, Path("/dev/shm"))
    assert "/dev/shm" not in to_relabel(cri.ContainerConfig(), of_the_node)


def fake_service(label):
    """The collaborators that are used, on a node whose files get this label."""
    return SimpleNamespace(selinux=SimpleNamespace(of_files=lambda _: label), paths=Paths(Path("/r"), Path("/s")))


async def relabelled(monkeypatch, label, **mount):
    """What is relabelled for a container with this mount."""
    done: list[str] = []
    monkeypatch.setattr(
        "cri_shim.lifecycle.container.relabel_sources.relabel",
        lambda path, new: done.append(path) if "/s/" in path else relabel(path, new),
    )
    config = cri.ContainerConfig(mounts=[cri.Mount(container_path="/a", **mount)])
    container: Any = SimpleNamespace(config=config, process_label="p")
    sandbox: Any = SimpleNamespace(id="i", config=cri.PodSandboxConfig())
    node = fake_service(label)
    await relabel_sources(node.paths, node.selinux, sandbox, container, [])
    return done


async def test_without_labels_nothing_is_touched(monkeypatch):
    """Where SELinux is not used a wish to relabel is no error, even of a directory that could not be."""
    assert await relabelled(monkeypatch, "", host_path="/etc", selinux_relabel=True) == []
    assert await relabelled(monkeypatch, "u:r:t:s0") == ["/s/sandboxes/i/shm"]


async def test_a_directory_of_the_node_is_refused(monkeypatch):
    """A volume that is the node's /etc cannot be relabelled, and the error says which it is."""
    with pytest.raises(InvalidArgumentError, match="'/etc' cannot be relabelled"):
        await relabelled(monkeypatch, "u:r:t:s0", host_path="/etc", selinux_relabel=True)
