"""What devices change in a runtime spec."""

from __future__ import annotations

import pytest

from cri_shim.cdi.edits import apply_edits
from cri_shim.cdi.model import DeviceNode, Edits, Hook, IntelRdt, Mount, NetDevice
from cri_shim.errors import FailedPreconditionError, UnimplementedError
from cri_shim.oci.devices import DeviceNode as HostNode

HOST = {
    "/dev/null": HostNode("/dev/null", "c", 1, 3, 0o666, 0, 0),
    "/dev/disk": HostNode("/dev/disk", "b", 8, 0, 0o660, 0, 6),
    "/dev/pipe": HostNode("/dev/pipe", "p", 0, 0, 0o600, 0, 0),
    "/etc/passwd": None,
}


def find_node(path):
    """A host with a few devices."""
    if path not in HOST:
        raise FileNotFoundError(2, "No such file or directory", path)
    return HOST[path]


def applied(*edits, rdt=False, uid=0, gid=0, users=False):
    """A small spec with the edits made."""
    spec = {
        "process": {"env": ["PATH=/bin", "A=old"], "user": {"uid": uid, "gid": gid, "additionalGids": [7]}},
        "mounts": [{"destination": "/dev", "options": []}, {"destination": "/dev/shm", "options": ["deep"]}],
        "linux": {
            "namespaces": [{"type": "user"}] if users else [],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        },
    }
    apply_edits(spec, edits, find_node, rdt=rdt)
    return spec


def node(**fields):
    """The edits of a device with one node."""
    return Edits(device_nodes=(DeviceNode(**fields),))


def test_environment():
    """A variable that is there is replaced in its place, another one added; later edits win."""
    spec = applied(Edits(env=("A=new", "B=1")), Edits(env=("B=2",)))
    assert spec["process"]["env"] == ["PATH=/bin", "A=new", "B=2"]


def test_a_device_node_is_completed_from_the_host():
    """Type, numbers and mode come from the host's node; a rule allows it; the container path is the file's."""
    spec = applied(node(path="/dev/mine", host_path="/dev/null"))
    (entry,) = spec["linux"]["devices"]
    assert entry == {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}
    rule = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
    assert spec["linux"]["resources"]["devices"][1:] == [rule]


def test_what_the_file_says_of_a_node_wins():
    """Mode, owner and permissions of the file are used; without an owner it is the container's user."""
    spec = applied(node(path="/dev/disk", file_mode=0o600, uid=3, permissions="r"), uid=1000, gid=1001)
    (entry,) = spec["linux"]["devices"]
    assert (entry["fileMode"], entry["uid"], entry["gid"]) == (0o600, 3, 1001)
    assert spec["linux"]["resources"]["devices"][-1]["access"] == "r"


def test_a_complete_node_needs_no_host():
    """Type and major number suffice for a node that the host does not have yet."""
    (entry,) = applied(node(path="/dev/new", type="c", major=200, minor=1))["linux"]["devices"]
    assert entry == {"path": "/dev/new", "type": "c", "major": 200, "minor": 1}


def test_permissions_none():
    """A node without any access is there, with a rule that allows nothing."""
    spec = applied(node(path="/dev/null", permissions="none"))
    assert spec["linux"]["resources"]["devices"][-1]["access"] == ""
    assert spec["linux"]["devices"]


def test_a_fifo_gets_no_rule():
    """The device cgroup knows no FIFOs."""
    spec = applied(node(path="/dev/pipe"))
    assert spec["linux"]["devices"][0]["type"] == "p"
    assert len(spec["linux"]["resources"]["devices"]) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"path": "/dev/lost"}, "'/dev/lost' cannot be read: No such file"),
        ({"path": "/etc/passwd"}, "is not a device"),
        ({"path": "/dev/null", "type": "b"}, "of type c on this host, not b"),
    ],
)
def test_a_node_that_the_host_lacks_is_refused(fields, says):
    """A missing path, another kind of file and another device type are each reported with the path."""
    with pytest.raises(FailedPreconditionError, match=says):
        applied(node(**fields))


def test_a_second_node_of_a_path_replaces_the_first():
    """The container has one node for a path, the last one."""
    spec = applied(node(path="/dev/x", host_path="/dev/null"), node(path="/dev/x", host_path="/dev/disk"))
    assert [(entry["path"], entry["major"]) for entry in spec["linux"]["devices"]] == [("/dev/x", 8)]


def test_mounts():
    """A mount replaces one of its path, and shallow paths come first."""
    edits = Edits(
        mounts=(
            Mount(host_path="/h", container_path="/a/b/c/d", options=("ro", "bind")),
            Mount(host_path="/s", container_path="/dev/shm/", type="tmpfs"),
            Mount(host_path="/t", container_path="/top", options=("rbind",)),
        )
    )
    mounts = applied(edits)["mounts"]
    assert [entry["destination"] for entry in mounts] == ["/dev", "/top", "/dev/shm/", "/a/b/c/d"]
    assert mounts[2] == {"destination": "/dev/shm/", "source": "/s", "type": "tmpfs"}
    assert mounts[3]["options"] == ["ro", "bind"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [(("bind",), ["bind", "idmap"]), (("rbind",), ["rbind", "ridmap"]), (("bind", "ridmap"), ["bind", "ridmap"])],
)
def test_mounts_in_a_user_namespace_are_mapped(options, expected):
    """A bind mount asks for mapped ids unless it says so itself."""
    edits = Edits(mounts=(Mount(host_path="/h", container_path="/a", options=options),))
    (mount,) = [entry for entry in applied(edits, users=True)["mounts"] if entry["destination"] == "/a"]
    assert mount["options"] == expected


def test_hooks_groups_and_class():
    """Hooks go to their stage in order, groups are added once and never 0, the last class wins."""
    spec = applied(
        Edits(hooks=(Hook("createContainer", "/a", ("a", "b"), ("X=1",), 5),), additional_gids=(5, 7, 0, 5)),
        Edits(hooks=(Hook("createContainer", "/b"), Hook("poststop", "/c")), intel_rdt=IntelRdt(clos_id="gold")),
        rdt=True,
    )
    first = {"path": "/a", "args": ["a", "b"], "env": ["X=1"], "timeout": 5}
    assert spec["hooks"] == {"createContainer": [first, {"path": "/b"}], "poststop": [{"path": "/c"}]}
    assert spec["process"]["user"]["additionalGids"] == [7, 5]
    assert spec["linux"]["intelRdt"] == {"closID": "gold"}


def test_what_the_node_cannot_do_is_refused():
    """A class without RDT, and an interface that nothing below would move, are refused and not passed over."""
    with pytest.raises(FailedPreconditionError, match=r"'gold'.*/sys/fs/resctrl"):
        applied(Edits(intel_rdt=IntelRdt(clos_id="gold")))
    with pytest.raises(UnimplementedError, match="eth9"):
        applied(Edits(net_devices=(NetDevice("eth9", "eth0"),)))
