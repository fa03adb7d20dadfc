"""Which shims and mounts of containers there are on a node, as /proc tells it."""

from __future__ import annotations

from cri_shim.kernel.mountinfo import parse_mountinfo
from cri_shim.lifecycle.orphaned_processes import Shim, root_mounts, shims_of

ORPHANED, FOREIGN = "a" * 64, "b" * 64
ADDRESS = "/run/containerd/containerd.sock"


def make_process(proc, pid, *arguments, children=(), cgroup="/"):
    thread = proc / str(pid) / "task" / str(pid)
    thread.mkdir(parents=True)
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in arguments))
    (proc / str(pid) / "cgroup").write_text(f"4:memory:{cgroup}\n0::{cgroup}\n")
    (thread / "children").write_text(" ".join(map(str, children)))


def test_shims_of_one_containerd(tmp_path):
    """Those of another socket or namespace are left out; a child is known by its cgroup, however that is nested."""
    shim = "/usr/bin/containerd-shim-runc-v2"
    make_process(tmp_path, 1, shim, "-namespace", "k8s.io", "-id", ORPHANED, "-address", ADDRESS, children=[4, 5, 6])
    make_process(tmp_path, 2, shim, "-namespace", "k8s.io", "-id", ORPHANED, "-address", "/run/other.sock")
    make_process(tmp_path, 3, shim, "-namespace", "moby", "-id", ORPHANED, "-address", ADDRESS)
    make_process(tmp_path, 4, "sleep", cgroup=f"/kubepods/pod1/{ORPHANED}/init.scope")
    make_process(tmp_path, 5, "sleep", cgroup=f"/kubepods.slice/cri-containerd-{FOREIGN}.scope")
    make_process(tmp_path, 6, "runc", cgroup="/system.slice/containerd.service")
    (tmp_path / "self").mkdir()
    shims = shims_of(f"unix://{ADDRESS}", "k8s.io", tmp_path)
    assert shims == [Shim(1, ORPHANED, ((4, ORPHANED), (5, FOREIGN)))]


def test_root_mounts_of_one_containerd():
    """They are known by place, namespace and layers."""
    place = "/run/containerd/io.containerd.runtime.v2.task"
    layers = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
    lines = [
        f"1 0 0:1 / {place}/k8s.io/{ORPHANED}/rootfs rw - overlay overlay rw,upperdir={layers}/snapshots/1/fs",
        f"2 0 0:2 / {place}/moby/{ORPHANED}/rootfs rw - overlay overlay rw,upperdir={layers}/snapshots/2/fs",
        f"3 0 0:3 / {place}/k8s.io/{FOREIGN}/rootfs rw - overlay overlay rw,upperdir=/other/snapshots/3/fs",
        f"4 0 0:4 / {place}/k8s.io/{FOREIGN}/rootfs/mnt rw - tmpfs tmpfs rw",
    ]
    mounts = parse_mountinfo("\n".join(lines))
    assert list(root_mounts("k8s.io", [layers], mounts)) == [(ORPHANED, f"{place}/k8s.io/{ORPHANED}/rootfs")]
