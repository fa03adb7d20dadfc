"""Mount namespaces and propagation, from the text of mountinfo."""

from __future__ import annotations

import pytest

from cri_shim.doctor.checks.mounts import MountView, judge_namespaces, judge_own, read_view
from cri_shim.doctor.facts.place import Place
from cri_shim.kernel.mountinfo import parse_mountinfo
from tests.unit.doctor.node_tree import findings, reported

SHARED = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n2 1 0:5 / /run rw shared:2 - tmpfs tmpfs rw\n"
PLACES = ("/run/cri-shim", "/var/lib/cri-shim", "/run/netns")


def view(text=SHARED, *, pid=10, namespace="mnt:[1]"):
    return MountView(pid, namespace, tuple(parse_mountinfo(text)))


def judged(ours, theirs):
    return list(judge_namespaces(ours, theirs, PLACES, Place()))


def test_one_namespace_is_fine():
    private = SHARED.replace("shared:1", "").replace("shared:2", "")
    assert reported(judged(view(private), view(private, pid=11))) == {}


def test_a_namespace_that_receives_our_mounts_is_fine():
    slave = SHARED.replace("shared:", "master:")
    assert reported(judged(view(), view(slave, pid=11, namespace="mnt:[2]"))) == {}


@pytest.mark.parametrize(
    "ours", [SHARED.replace("shared:", "master:"), SHARED.replace("shared:1", "").replace("shared:2", "")]
)
def test_a_daemon_whose_mounts_stay_with_it(ours):
    """This is what PrivateTmp= and its like do to a unit."""
    outcomes = judged(view(ours), view(pid=11, namespace="mnt:[2]"))
    assert reported(outcomes) == {"mounts-hidden": "error"}
    assert "/run/netns do not reach containerd" in findings(outcomes)[0].what


def test_this_shells_namespace_says_little_of_the_daemons():
    ours = view(SHARED.replace("shared:", "master:"), pid=0)
    assert reported(judged(ours, view(pid=11, namespace="mnt:[2]"))) == {"mounts-hidden": "unknown"}


def test_this_process_can_be_read():
    here = read_view(0, Place())
    assert here.namespace.startswith("mnt:[")
    assert here.mounts


def test_propagation_of_volumes():
    assert reported(judge_own(view(), "/var/lib/cri-shim", needs_programs=True)) == {}
    private = view(SHARED.replace("shared:1", ""))
    outcomes = list(judge_own(private, "/var/lib/cri-shim", needs_programs=True))
    assert reported(outcomes) == {"mounts-not-shared": "warning"}
    assert findings(outcomes)[0].remedy[0] == "$ mount --make-rshared /"


def test_a_root_directory_without_programs():
    own = view(f"{SHARED}3 1 0:6 / /var/lib/cri-shim rw,noexec shared:3 - tmpfs tmpfs rw\n")
    assert reported(judge_own(own, "/var/lib/cri-shim", needs_programs=True)) == {"root-mounted-noexec": "warning"}
    assert reported(judge_own(own, "/var/lib/cri-shim", needs_programs=False)) == {}


def test_a_table_without_a_root_is_unknown():
    assert reported(judge_own(view(""), "/r", needs_programs=True)) == {"mounts-not-shared": "unknown"}
