"""Mounts: which ones a container gets, in which order, and what is refused."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci import defaults
from cri_shim.oci.mounts import ResolvedMount, SourceMount, apply_mounts, cgroup_mount, pod_file_mounts

PRIVATE, SLAVE, SHARED = (
    SourceMount("/m", shared=False, slave=False),
    SourceMount("/m", shared=False, slave=True),
    SourceMount("/m", shared=True, slave=False),
)


def applied(requested, extra=(), *, rro=True):
    spec = defaults.base_spec(None, "/x")
    apply_mounts(spec, requested, extra, cgroup=cgroup_mount(writable=False), recursive_read_only=rro)
    return spec


def destinations(spec):
    return [entry["destination"] for entry in spec["mounts"]]


def test_defaults_come_first_then_shallow_paths():
    """Without a request the defaults and the cgroup mount stay; others follow, shallow ones first, stable."""
    spec = applied([ResolvedMount(path, "/s") for path in ("/a/b/c", "/z", "/a/b", "/", "b")])
    assert destinations(spec) == [
        "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup",
        "/", "/z", "/b", "/a/b", "/a/b/c",
    ]  # fmt: skip


def test_requested_mount_replaces_extra_and_default():
    """Paths count after normalising: the request wins over the pod's file, and both over a default."""
    spec = applied(
        [ResolvedMount("/etc//hosts/", "/requested"), ResolvedMount("/sys/fs/cgroup", "/mine")],
        [ResolvedMount("/etc/hosts", "/pod"), ResolvedMount("/dev/shm", "/podshm")],
    )
    by_path = {entry["destination"]: entry["source"] for entry in spec["mounts"]}
    assert by_path["/etc/hosts"] == "/requested"
    assert by_path["/dev/shm"] == "/podshm"
    assert by_path["/sys/fs/cgroup"] == "/mine"
    assert len(spec["mounts"]) == len(by_path)


def test_a_dev_of_ones_own_takes_the_defaults_below_it_away():
    """With /dev mounted from the host, the default /dev/pts and the like would hide its content."""
    assert [path for path in destinations(applied([ResolvedMount("/dev", "/dev")])) if path.startswith("/dev")] == [
        "/dev"
    ]


@pytest.mark.parametrize(
    ("propagation", "source", "option", "root"),
    [
        (cri.PROPAGATION_PRIVATE, None, "rprivate", None),
        (cri.PROPAGATION_HOST_TO_CONTAINER, SLAVE, "rslave", "rslave"),
        (cri.PROPAGATION_HOST_TO_CONTAINER, SHARED, "rslave", "rslave"),
        (cri.PROPAGATION_BIDIRECTIONAL, SHARED, "rshared", "rshared"),
    ],
)
def test_propagation(propagation, source, option, root):
    """Each propagation becomes its option and what it needs of the root."""
    spec = applied([ResolvedMount("/d", "/s", propagation=propagation, source_mount=source)])
    assert spec["mounts"][-1]["options"] == ["rbind", option, "rw"]
    assert spec["linux"].get("rootfsPropagation") == root


def test_the_strongest_propagation_decides_for_the_root():
    """rshared stays, wherever among the mounts an rslave comes."""
    mounts = [
        ResolvedMount("/a", "/s", propagation=cri.PROPAGATION_BIDIRECTIONAL, source_mount=SHARED),
        ResolvedMount("/b", "/s", propagation=cri.PROPAGATION_HOST_TO_CONTAINER, source_mount=SHARED),
    ]
    for order in (mounts, mounts[::-1]):
        assert applied(order)["linux"]["rootfsPropagation"] == "rshared"


@pytest.mark.parametrize(
    ("mount", "error", "word"),
    [
        ({"propagation": cri.PROPAGATION_BIDIRECTIONAL, "source_mount": SLAVE}, FailedPreconditionError, "shared"),
        ({"propagation": cri.PROPAGATION_HOST_TO_CONTAINER, "source_mount": PRIVATE}, FailedPreconditionError, "slave"),
        ({"propagation": cri.PROPAGATION_BIDIRECTIONAL}, FailedPreconditionError, "'/s'"),
        ({"propagation": 9, "source_mount": SHARED}, InvalidArgumentError, "9"),
        ({"recursive_read_only": True}, InvalidArgumentError, "readonly"),
        (
            {"recursive_read_only": True, "readonly": True, "propagation": cri.PROPAGATION_HOST_TO_CONTAINER,
                 "source_mount": SHARED},
            InvalidArgumentError,
            "private",
        ),
    ],
)  # fmt: skip
def test_impossible_mounts_are_refused(mount, error, word):
    """The error names the mount and what is wrong."""
    with pytest.raises(error, match="'/d'") as caught:
        applied([ResolvedMount("/d", "/s", **mount)])
    assert word in str(caught.value)


def test_read_only_ones():
    """Read-only, recursively so, and the refusal where the handler cannot."""
    assert applied([ResolvedMount("/d", "/s", readonly=True)])["mounts"][-1]["options"][-1] == "ro"
    recursive = ResolvedMount("/d", "/s", readonly=True, recursive_read_only=True)
    assert applied([recursive])["mounts"][-1]["options"][-1] == "rro"
    with pytest.raises(InvalidArgumentError, match="runtime handler"):
        applied([recursive], rro=False)


def test_request_carries_id_mappings():
    """The mappings of a CRI mount arrive in the spec under the spec's names."""
    request = cri.Mount(container_path="/d", readonly=True)
    request.uidMappings.add(host_id=100, container_id=0, length=10)
    request.gidMappings.add(host_id=200, container_id=0, length=10)
    entry = applied([ResolvedMount.of(request, "/s")])["mounts"][-1]
    assert entry["uidMappings"] == [{"containerID": 0, "hostID": 100, "size": 10}]
    assert entry["gidMappings"] == [{"containerID": 0, "hostID": 200, "size": 10}]
    assert entry["options"][-1] == "ro"


def test_pod_files():
    """A pod's files are read-only with the root, shared memory never; requested and missing ones are left out."""
    mounts = pod_file_mounts(
        [cri.Mount(container_path="/etc/hosts/")],
        hostname=None,
        hosts="/h",
        resolv_conf="/r",
        shm="/s",
        readonly_rootfs=True,
    )
    assert [(m.container_path, m.source, m.readonly) for m in mounts] == [
        ("/etc/resolv.conf", "/r", True),
        ("/dev/shm", "/s", False),
    ]


def test_cgroup_mount_keeps_the_hosts_options():
    """Options of the host's superblock are repeated, or mounting would take them away from the host."""
    assert cgroup_mount(writable=True, host_options=("nsdelegate",))["options"][-2:] == ["rw", "nsdelegate"]
