"""Reading the node: from a directory tree that looks like one, and from this one."""

from __future__ import annotations

import os
import stat

import pytest

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.node_facts import NodeFacts, read_apparmor_profiles, read_device_grants, read_host_devices


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


STATUS = "Name:\tx\nCapEff:\t0000000001000020\nSeccomp:\t0\n"


def test_hybrid_node(tmp_path):
    """Controllers of v1 count only where they are mounted; CapEff tells whether the OOM score may be lowered."""
    write(tmp_path, {
        "proc/self/status": STATUS,
        "proc/self/oom_score_adj": "-5\n",
        "proc/self/uid_map": "0 0 4294967295\n",
        "proc/cgroups": "#name\tid\tn\ton\nmemory\t4\t1\t1\nhugetlb\t0\t1\t1\npids\t8\t1\t1\ncpu\t1\t1\t0\n",
        "sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "",
        "sys/fs/cgroup/pids/x": "", "sys/fs/cgroup/cpu/x": "",
        "sys/kernel/mm/hugepages/hugepages-2048kB/x": "", "sys/kernel/mm/hugepages/hugepages-1048576kB/x": "",
        "sys/kernel/mm/hugepages/hugepages-64kB/x": "",
    })  # fmt: skip
    facts = NodeFacts.read(tmp_path)
    assert not facts.cgroup_v2
    assert facts.controllers == {"memory", "pids"}
    assert (facts.swap, facts.hugetlb) == (True, False)
    assert facts.capabilities == ("CAP_KILL", "CAP_SYS_RESOURCE")
    assert facts.may_lower_oom_score
    assert facts.oom_score_adj == -5
    assert facts.seccomp
    assert not (facts.apparmor or facts.selinux or facts.in_user_namespace)
    assert facts.hugepage_sizes == ("64KB", "2MB", "1GB")


def test_unified_node(tmp_path):
    """Under v2 the own cgroup tells about swap, and the mount's options of the whole tree are kept."""
    mount = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
    write(tmp_path, {
        "proc/self/status": "CapEff:\t0\n",
        "proc/self/cgroup": "0::/system.slice/x.service\n",
        "proc/self/mountinfo": "22 1 0:20 / / rw - ext4 /dev/vda rw\n" + mount,
        "proc/self/uid_map": "0 100000 65536\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory hugetlb\n",
        "sys/fs/cgroup/system.slice/x.service/memory.swap.max": "max",
        "sys/module/apparmor/parameters/enabled": "Y\n", "sys/kernel/security/apparmor/profiles": "",
        "sys/fs/selinux/enforce": "1",
    })  # fmt: skip
    facts = NodeFacts.read(tmp_path)
    assert facts.cgroup_v2
    assert facts.hugetlb
    assert facts.swap
    assert facts.cgroup2_options == ("nsdelegate", "memory_recursiveprot")
    assert facts.in_user_namespace
    assert facts.apparmor
    assert facts.selinux
    assert not (facts.seccomp or facts.may_lower_oom_score)


def test_a_node_without_anything(tmp_path):
    """Nothing readable is a node that can little, not an exception at start."""
    facts = NodeFacts.read(tmp_path)
    assert (facts.capabilities, facts.controllers, facts.hugepage_sizes) == ((), frozenset(), ())


def test_this_node():
    """The real /proc is understood."""
    facts = NodeFacts.read()
    assert facts.kernel >= (3, 10)
    assert facts.controllers
    assert f"machine='{os.uname().machine}'" in repr(facts)


def test_apparmor_profiles(tmp_path):
    """Names may hold spaces and parentheses; the mode behind them is cut off."""
    (tmp_path / "profiles").write_text("one (enforce)\ntwo (x) (complain)\n")
    assert read_apparmor_profiles(tmp_path / "profiles") == {"one", "two (x)"}
    assert read_apparmor_profiles(tmp_path / "none") == frozenset()


def test_devices_of_this_node():
    """/dev/null is found, consoles and terminals' directories are not."""
    nodes = {node.path: node for node in read_host_devices()}
    null = nodes["/dev/null"]
    assert (null.kind, null.major, null.minor) == ("c", 1, 3)
    assert null.mode == stat.S_IMODE(os.stat("/dev/null").st_mode)
    assert not any(path.startswith(("/dev/pts/", "/dev/shm/")) or path == "/dev/console" for path in nodes)


def test_device_grants(tmp_path):
    """A link is followed and the container's path is used; a directory means all devices below it."""
    (tmp_path / "link").symlink_to("/dev/null")
    (grant,) = read_device_grants(str(tmp_path / "link"), "/dev/mine", "rw")
    assert (grant.container_path, grant.node.minor, grant.permissions) == ("/dev/mine", 3, "rw")
    if os.geteuid() == 0:
        (tmp_path / "d/sub").mkdir(parents=True)
        os.mknod(tmp_path / "d/sub/zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        (tmp_path / "d/file").write_text("")
        (tmp_path / "d/console").write_text("")
        (grant,) = read_device_grants(str(tmp_path / "d"), "/dev/d", "r")
        assert (grant.container_path, grant.node.major, grant.node.minor) == ("/dev/d/sub/zero", 1, 5)


@pytest.mark.parametrize("path", ["/does/not/exist", "/etc/passwd", "/etc"])
def test_what_is_no_device_is_refused(path):
    """The error names the path."""
    with pytest.raises(InvalidArgumentError, match=path):
        read_device_grants(path, "", "rwm")
