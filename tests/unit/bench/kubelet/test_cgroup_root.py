"""A kubelet's cgroup is made in every hierarchy, or as a slice."""

from __future__ import annotations

import subprocess

import pytest

from cri_shim.bench.kubelet import cgroup_root
from cri_shim.bench.kubelet.process import KubeletError


def test_a_directory_in_each_hierarchy_of_v1(tmp_path):
    """A cpuset gets its parent's processors; names that are links, and files, are none."""
    for name in ("memory", "cpuset", "cpu,cpuacct"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "elsewhere").mkdir()
    own = tmp_path / "cpuset/own"
    own.mkdir()
    for name, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
        (tmp_path / "cpuset" / name).write_text(value)
        (own / name).write_text("\n")
    cgroup_root.make("/own", tmp_path)
    assert {path.parent.name for path in tmp_path.glob("*/own")} >= {"memory", "cpuset", "cpu,cpuacct"}
    assert not (tmp_path / "elsewhere/own").exists()
    assert (own / "cpuset.cpus").read_text() == "0-1\n"
    assert (own / "cpuset.mems").read_text() == "0\n"


def test_one_directory_on_v2(tmp_path):
    """There is one hierarchy."""
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "system.slice").mkdir()
    (tmp_path / "system.slice" / "cgroup.procs").touch()
    cgroup_root.make("/own", tmp_path)
    assert (tmp_path / "own").is_dir()
    assert not (tmp_path / "system.slice/own").exists()


def test_a_cgroup_that_cannot_be_made_is_said(tmp_path):
    """With its path."""
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "own").touch()
    with pytest.raises(KubeletError, match=r"own: .*: the kubelet needs a cgroup of its own"):
        cgroup_root.make("/own", tmp_path)


def test_a_slice_is_started_and_stopped_by_systemd(monkeypatch):
    """The last one of the path; what fails at the end is seen by what is left."""
    ran = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    cgroup_root.make("/cri.slice/cri-own_7.slice")
    assert cgroup_root.remove("/cri.slice/cri-own_7.slice") == []
    assert ran == [["systemctl", "start", "cri-own_7.slice"], ["systemctl", "stop", "cri-own_7.slice"]]


def test_a_node_without_systemd_says_so(monkeypatch):
    """In a sentence."""

    def fails(*_, **__):
        raise FileNotFoundError(2, "No such file or directory", "systemctl")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(KubeletError, match=r"systemctl start cri_own\.slice"):
        cgroup_root.make("/cri_own.slice")
