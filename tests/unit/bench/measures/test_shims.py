"""Which processes are a side's shims: by their arguments, or by the containers that they watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.measures.shims import shims_of

if TYPE_CHECKING:
    from pathlib import Path

PARENT = "/cri-compare-7-crio"
POD = f"{PARENT}/pod1"


def run(proc: Path, pid: int, cgroup: str, *, parent: int = 1, arguments: str = "sleep 86400") -> None:
    """A process with this cgroup, in two hierarchies, and this parent."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cgroup").write_text(f"4:memory:{cgroup}\n0::{cgroup}\n")
    (folder / "stat").write_text(f"{pid} (a ) name) S {parent} {pid} {pid} 0\n")
    (folder / "cmdline").write_bytes("\0".join([*arguments.split(), ""]).encode())


def test_a_shim_of_containerd_is_known_by_its_address(tmp_path):
    """Another containerd's shims are not ours, nor is a program that merely has the address."""
    address = "/run/mine/containerd.sock"
    run(tmp_path, 10, "/", arguments=f"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id a -address {address}")
    run(tmp_path, 11, "/", arguments="/usr/bin/containerd-shim-runc-v2 -id b -address /run/other/containerd.sock")
    run(tmp_path, 12, "/", arguments=f"ctr -address {address} version")
    assert shims_of([f"unix://{address}"], PARENT, proc=tmp_path) == [10]


def test_a_monitor_is_known_by_its_container(tmp_path):
    """conmon names no socket; what a container starts is no monitor, and neither is another side's."""
    run(tmp_path, 1, "/", arguments="init")
    run(tmp_path, 20, "/", arguments="conmon -c a")
    run(tmp_path, 21, f"{POD}/crio-a", parent=20)
    run(tmp_path, 22, f"{POD}/crio-a", parent=21)
    run(tmp_path, 30, "/", arguments="conmon -c b")
    run(tmp_path, 31, "/cri-compare-7-crio-pause/pod1/crio-b", parent=30)
    assert shims_of([], PARENT, proc=tmp_path) == [20]


def test_a_monitor_in_the_cgroup_of_its_pod_counts_once(tmp_path):
    """With conmon_cgroup = "pod" it lives beside the container, as a child of the first process."""
    run(tmp_path, 1, "/", arguments="init")
    run(tmp_path, 20, f"{POD}/crio-conmon-a", arguments="conmon -c a")
    run(tmp_path, 21, f"{POD}/crio-a", parent=20)
    assert shims_of([], PARENT, proc=tmp_path) == [20]


def test_a_daemon_counts_for_itself(tmp_path):
    """A daemon may be the parent of a container, as of one that it just starts."""
    run(tmp_path, 5, "/", arguments="daemon")
    run(tmp_path, 21, f"{POD}/a", parent=5)
    assert shims_of([], PARENT, [5], proc=tmp_path) == []


def test_a_process_that_ends_meanwhile_is_passed_over(tmp_path):
    """Its directory is there, its files are not."""
    (tmp_path / "40").mkdir()
    run(tmp_path, 41, f"{POD}/a", parent=42)
    assert shims_of([], PARENT, proc=tmp_path) == []
