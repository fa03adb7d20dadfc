"""Network namespaces and cgroups in places that the runtimes of a node share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cri_shim.doctor.checks.unowned import judge_unowned, read_unowned
from tests.unit.doctor.node_tree import findings, plant, reported

ID = "ab" * 32
NETNS = "cni-0f3a2b1c-1111-2222-3333-444455556666"
NONE: frozenset[str] = frozenset()


def read(tmp_path, files, *, age=1000.0):
    place = plant(tmp_path, {"sys/fs/cgroup/cgroup.procs": "", **files})
    newest = max(path.stat().st_mtime for path in tmp_path.rglob("*"))
    return read_unowned(Path("/run/netns"), "k8s.io", place, now=newest + age)


def test_a_network_namespace_without_a_pod(tmp_path):
    here = read(tmp_path, {f"run/netns/{NETNS}": "", "run/netns/blue": ""})
    outcomes = list(judge_unowned(here, NONE, NONE))
    assert reported(outcomes) == {"leftover-network-namespaces": "note"}
    assert findings(outcomes)[0].remedy[-1] == f"$ ip netns delete {NETNS}"
    assert reported(judge_unowned(here, NONE, frozenset({f"/var/run/netns/{NETNS}"}))) == {}


def test_a_pod_whose_record_cannot_be_read_leaves_namespaces_unjudged(tmp_path):
    here = read(tmp_path, {f"run/netns/{NETNS}": ""})
    assert [type(outcome).__name__ for outcome in judge_unowned(here, NONE, None)] == ["NotMade"]


@pytest.mark.parametrize(
    "directory",
    [
        f"sys/fs/cgroup/k8s.io/{ID}",
        f"sys/fs/cgroup/memory/kubepods/burstable/pod1/{ID}",
        f"sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
    ],
)
def test_an_empty_cgroup_without_a_record(tmp_path, directory):
    here = read(tmp_path, {f"{directory}/cgroup.procs": ""})
    outcomes = list(judge_unowned(here, NONE, NONE))
    assert reported(outcomes) == {"leftover-cgroups": "note"}
    assert f"/{directory}" in findings(outcomes)[0].what
    assert reported(judge_unowned(here, frozenset({ID}), NONE)) == {}


@pytest.mark.parametrize(
    ("directory", "processes"),
    [(f"sys/fs/cgroup/k8s.io/{ID}", "1\n"), (f"sys/fs/cgroup/docker/{ID}", ""), ("sys/fs/cgroup/k8s.io/mine", "")],
)
def test_cgroups_in_use_or_of_others_do_not_count(tmp_path, directory, processes):
    assert read(tmp_path, {f"{directory}/cgroup.procs": processes}).cgroups == {}


def test_what_is_young_does_not_count(tmp_path):
    files = {f"run/netns/{NETNS}": "", f"sys/fs/cgroup/k8s.io/{ID}/cgroup.procs": ""}
    here = read(tmp_path, files, age=10.0)
    assert (here.namespaces, here.cgroups) == ((), {})


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "run").mkdir()
    os.symlink("netns", tmp_path / "run/netns")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path, {})
