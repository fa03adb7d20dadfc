"""Where the cgroups of a container lie."""

from __future__ import annotations

import pytest

from cri_shim.kernel.cgroups import UNIFIED, Cgroup, Hierarchies, below, memberships, mounts, slice_path, up_to

ID = "4f1c2a9b7d3e5f60718293a4b5c6d7e8f9012345678901234567890123456789"
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_hierarchies_of_version_1():
    """Controllers that are mounted together share a directory; the named and the unified hierarchy do not count."""
    assert mounts(V1_MOUNTS, unified=False) == {
        "cpu": ("/sys/fs/cgroup/cpu,cpuacct", "/"),
        "cpuacct": ("/sys/fs/cgroup/cpu,cpuacct", "/"),
        "memory": ("/sys/fs/cgroup/memory", "/"),
        "pids": ("/sys/fs/cgroup/pids", "/"),
    }


def test_the_hierarchy_of_version_2():
    """There is one."""
    assert mounts(V2_MOUNTS, unified=True) == {UNIFIED: ("/sys/fs/cgroup", "/")}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (f"/kubepods/pod1/{ID}", f"/kubepods/pod1/{ID}"),
        (f"/a.slice/cri-containerd-{ID}.scope", f"/a.slice/cri-containerd-{ID}.scope"),
        (f"/a.slice/cri-containerd-{ID}.scope/init.scope", f"/a.slice/cri-containerd-{ID}.scope"),
        ("/user.slice/session-2.scope", None),
        ("/", None),
    ],
)
def test_the_part_with_the_id_counts(path, wanted):
    """Both drivers have the id in the path; what is below belongs to the container, what has no id to others."""
    assert up_to(path, ID) == wanted


def test_a_hierarchy_that_is_mounted_in_part():
    """In a container of its own the daemon sees only a part of the tree; what is outside of it has no directory."""
    assert below(("/sys/fs/cgroup", "/docker/x"), "/docker/x/k8s.io/c") == "/sys/fs/cgroup/k8s.io/c"
    assert below(("/sys/fs/cgroup", "/docker/x"), "/docker/xy/k8s.io/c") is None
    assert below(("/sys/fs/cgroup", "/"), "/k8s.io/c") == "/sys/fs/cgroup/k8s.io/c"


def _proc(tmp_path, mountinfo, cgroup):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(mountinfo)
    (tmp_path / "77").mkdir()
    (tmp_path / "77/cgroup").write_text(cgroup)
    return str(tmp_path)


def known(cgroup: Cgroup | None) -> Cgroup:
    """The cgroup, which must be there."""
    assert cgroup is not None
    return cgroup


def test_a_container_of_version_1(tmp_path):
    """Every controller that is mounted gets its directory, and the pod's cgroup is the one around it."""
    lines = f"8:pids:/kubepods/pod1/{ID}\n4:memory:/kubepods/pod1/{ID}\n1:cpu,cpuacct:/kubepods/pod1/{ID}\n0::/\n"
    paths = known(Hierarchies.read(unified=False, proc=_proc(tmp_path, V1_MOUNTS, lines)).find(77, ID))
    assert (paths.path, paths.directories) == (
        f"/kubepods/pod1/{ID}",
        {
            "pids": f"/sys/fs/cgroup/pids/kubepods/pod1/{ID}",
            "memory": f"/sys/fs/cgroup/memory/kubepods/pod1/{ID}",
            "cpu": f"/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/{ID}",
            "cpuacct": f"/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/{ID}",
        },
    )
    assert paths.parent().path == "/kubepods/pod1"
    assert paths.parent().directories["memory"] == "/sys/fs/cgroup/memory/kubepods/pod1"


def test_all_cgroups_share_the_beginnings_of_their_directories(tmp_path):
    """Of a thousand containers, each has only its own path. A hierarchy of another root has its paths as a whole."""
    lines = f"8:pids:/kubepods/pod1/{ID}\n4:memory:/kubepods/pod1/{ID}\n0::/\n"
    hierarchies = Hierarchies.read(unified=False, proc=_proc(tmp_path, V1_MOUNTS, lines))
    one = known(hierarchies.find(77, ID))
    (tmp_path / "77/cgroup").write_text(lines.replace("pod1", "pod2"))
    other = known(hierarchies.find(77, ID))
    assert one.beginnings is other.beginnings
    assert one.directory("pids") == f"/sys/fs/cgroup/pids/kubepods/pod1/{ID}"
    assert one.directory("hugetlb") == ""
    (tmp_path / "77/cgroup").write_text(f"8:pids:/a/{ID}\n4:memory:/b/{ID}\n0::/\n")
    mixed = known(hierarchies.find(77, ID))
    assert dict(mixed.directories) == {
        "pids": f"/sys/fs/cgroup/pids/a/{ID}",
        "memory": f"/sys/fs/cgroup/memory/b/{ID}",
    }


def test_a_container_of_the_systemd_driver(tmp_path):
    """A process that an init system moved further down is still in its container's scope."""
    scope = f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"
    hierarchies = Hierarchies.read(unified=True, proc=_proc(tmp_path, V2_MOUNTS, f"0::{scope}/init.scope\n"))
    paths = known(hierarchies.find(77, ID))
    assert (paths.path, paths.directories) == (scope, {UNIFIED: f"/sys/fs/cgroup{scope}"})
    assert paths.parent().path == "/kubepods.slice/kubepods-pod1.slice"


def test_a_number_that_another_process_has_now(tmp_path):
    """Neither a process of another cgroup nor one that has ended gives a directory."""
    hierarchies = Hierarchies.read(unified=True, proc=_proc(tmp_path, V2_MOUNTS, "0::/system.slice/cron.service\n"))
    assert hierarchies.find(77, ID) is None
    assert hierarchies.find(78, ID) is None


def test_memberships_with_colons():
    """A path may have colons in it."""
    assert memberships("4:memory:/a:b:c\n0::/x\n") == {"memory": "/a:b:c", "": "/x"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("kubepods-burstable-pod1.slice", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice"),
        ("system.slice", "/system.slice"),
        ("pod1", ""),
        (".slice", ""),
    ],
)
def test_where_systemd_puts_a_slice(name, path):
    """Each dash in the name of a slice is a level of the tree."""
    assert slice_path(name) == path


def test_a_pod_without_a_process_is_found_by_its_parent(tmp_path):
    """The parent may be a path or the name of a slice; one that is in no hierarchy is not found."""
    hierarchies = Hierarchies({"cpu": (f"{tmp_path}/cpu", "/"), "memory": (f"{tmp_path}/memory", "/")})
    (tmp_path / "cpu/kubepods/pod1").mkdir(parents=True)
    (tmp_path / "memory/a.slice/a-b.slice").mkdir(parents=True)
    paths = hierarchies.in_parent("/kubepods/pod1", "s1")
    assert paths is not None
    assert paths.parent().directories == {
        "cpu": f"{tmp_path}/cpu/kubepods/pod1",
        "memory": f"{tmp_path}/memory/kubepods/pod1",
    }
    by_slice = hierarchies.in_parent("a-b.slice", "s1")
    assert by_slice is not None
    assert by_slice.path == "/a.slice/a-b.slice/s1"
    assert hierarchies.in_parent("/kubepods/pod2", "s1") is None


@pytest.mark.parametrize(
    ("mountinfo", "unified", "membership", "wanted"),
    [
        (V1_MOUNTS, False, "9:pids:/a\n8:memory:/b\n3:cpu,cpuacct:/c\n0::/d\n", "/sys/fs/cgroup/cpu,cpuacct/c"),
        (
            V1_MOUNTS,
            False,
            "9:pids:/system.slice/cri-shim.service\n0::/d\n",
            "/sys/fs/cgroup/pids/system.slice/cri-shim.service",
        ),
        (V2_MOUNTS, True, "0::/system.slice/cri-shim.service\n", "/sys/fs/cgroup/system.slice/cri-shim.service"),
        (V2_MOUNTS.replace(" / /sys", " /inside /sys"), True, "0::/outside\n", None),
    ],
    ids=["version 1", "version 1 in part", "version 2", "outside of what is mounted"],
)
def test_the_cgroup_of_this_process(tmp_path, mountinfo, unified, membership, wanted):
    """Any hierarchy that it is seen in."""
    proc = _proc(tmp_path, mountinfo, membership)
    (tmp_path / "77/cgroup").rename(tmp_path / "self/cgroup")
    assert Hierarchies.read(unified=unified, proc=proc).own() == wanted
