"""The script's own spec: that of the side, but for what belonged to the side's pod."""

from __future__ import annotations

from copy import deepcopy

from cri_shim.bench.floor.spec import cgroups_path, own_files, own_folders, own_spec
from tests.unit.bench.floor.made_up import FOLDER, HOSTS, recipe, spec


def test_only_what_belonged_to_the_sides_pod_is_replaced(tmp_path):
    """Root, cgroup, shared namespaces and the pod's files are its own; all else is what the side wrote."""
    pod = tmp_path / "pods" / "floor-1-0"
    theirs = spec()
    before = deepcopy(theirs)
    ours = own_spec(theirs, recipe(tmp_path), pod, "floor-1-0-container")
    assert theirs == before
    assert ours["root"] == {"path": "rootfs", "readonly": True}
    assert ours["process"] == theirs["process"]
    assert ours["linux"]["cgroupsPath"] == "/made-up-parent/floor-1-0/floor-1-0-container"
    assert {key: ours["linux"][key] for key in ("resources", "seccomp")} == {
        key: theirs["linux"][key] for key in ("resources", "seccomp")
    }
    assert ours["linux"]["namespaces"] == [
        {"type": "pid"},
        {"type": "ipc", "path": f"{pod}/ns/ipc"},
        {"type": "uts", "path": f"{pod}/ns/uts"},
        {"type": "mount"},
        {"type": "network", "path": f"{pod}/ns/net"},
    ]
    assert [mount["source"] for mount in ours["mounts"]] == [
        "proc",
        f"{pod}/made/0-hosts",
        f"{pod}/made/1-secrets",
        f"{pod}/shm",
        "/etc/localtime",
    ]
    assert [mount.get("options") for mount in ours["mounts"]] == [mount.get("options") for mount in theirs["mounts"]]


def test_files_of_one_name_stay_apart(tmp_path):
    """Two files that are called the same each have a place and their own content."""
    files = {HOSTS: "one", "/side/sandboxes/POD/other/hosts": "two"}
    names = own_files(recipe(tmp_path, files=files), tmp_path)
    assert sorted(names.values()) == ["one", "two"]
    assert own_folders(recipe(tmp_path), tmp_path) == [tmp_path / "made" / "1-secrets"]
    assert FOLDER.endswith("secrets")


def test_with_systemd_the_container_is_a_scope_of_the_slice(tmp_path):
    """runc is given slice, prefix and name."""
    what = recipe(tmp_path, cgroup_parent="/a.slice/a-b.slice")
    assert what.systemd_cgroup
    assert cgroups_path(what, "floor-1-0", "floor-1-0-pause") == "a-b.slice:floor:floor-1-0-pause"
