"""Controllers and drivers of cgroups, on both versions."""

from __future__ import annotations

import pytest

from cri_shim.doctor.checks.cgroups import CgroupRoot, judge_controllers, judge_drivers, read_root
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import config_of, findings, healthy_node, plant, reported

V1 = frozenset({"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer"})
SYSTEMD = "[containerd.runtimes.runc.options]\nSystemdCgroup = true\n"


def test_a_node_with_everything_is_fine():
    assert reported(judge_controllers(healthy_node(), CgroupRoot())) == {}


def test_version_1_is_a_note():
    node = healthy_node(cgroup_v2=False, controllers=V1)
    assert reported(judge_controllers(node, CgroupRoot())) == {"cgroup-v1": "note"}


def test_a_controller_that_is_not_mounted():
    outcomes = list(judge_controllers(healthy_node(cgroup_v2=False, controllers=V1 - {"pids"}), CgroupRoot()))
    assert reported(outcomes) == {"cgroup-v1": "note", "cgroup-controller-missing": "error"}
    assert any("mount -t cgroup -o pids" in line for finding in findings(outcomes) for line in finding.remedy)


def test_a_controller_that_cgroup_v2_lacks():
    node = healthy_node(controllers=frozenset({"cpu", "cpuset", "pids"}))
    outcomes = list(judge_controllers(node, CgroupRoot()))
    assert reported(outcomes) == {"cgroup-controller-missing": "error"}
    assert "memory" in findings(outcomes)[0].what


def root_of(tmp_path, **files):
    place = plant(tmp_path, {f"sys/fs/cgroup/cgroup.{name}": text for name, text in files.items()})
    return read_root(place)


def test_a_root_that_cannot_hand_on_its_controllers(tmp_path):
    """In a container without a cgroup namespace of the node, processes in the root keep it from handing on."""
    root = root_of(tmp_path, type="domain\n", subtree_control="cpu pids\n", procs="1\n2\n")
    outcomes = list(judge_controllers(healthy_node(), root))
    assert reported(outcomes) == {"cgroup-controller-not-delegated": "error"}
    assert "cpuset" in findings(outcomes)[0].what
    assert "memory" in findings(outcomes)[0].what


def test_the_nodes_own_root_and_an_empty_one_hand_on(tmp_path):
    own = root_of(tmp_path / "own", subtree_control="\n", procs="1\n")
    empty = root_of(tmp_path / "empty", type="domain\n", subtree_control="\n", procs="")
    for root in (own, empty):
        assert reported(judge_controllers(healthy_node(), root)) == {}


@pytest.mark.parametrize(
    ("config", "v2", "systemd", "code"),
    [
        (SYSTEMD, True, True, {}),
        ("", False, False, {}),
        ("", False, True, {}),
        ("", True, False, {}),
        (SYSTEMD, True, False, {"cgroup-driver-without-systemd": "error"}),
        ("", True, True, {"cgroup-two-managers": "warning"}),
        (f"{SYSTEMD}[containerd.runtimes.other]\n", True, True, {"cgroup-drivers-mixed": "warning"}),
    ],
)
def test_drivers(config, v2, systemd, code):
    assert reported(judge_drivers(healthy_node(cgroup_v2=v2), config_of(config), Place(systemd=systemd))) == code
