"""What a request makes of the spec of a container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.defaults import DEFAULT_CAPABILITIES, DEFAULT_MASKED_PATHS
from cri_shim.oci.devices import DeviceGrant, DeviceNode
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.mounts import ResolvedMount
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.options import Rlimit, SpecOptions
from tests.unit.oci.facts import NODE, node
from tests.unit.oci.specs import container, mount_options, namespaces, pod


def test_container_of_an_ordinary_pod():
    """Own root and mounts, the pod's namespaces, default capabilities, no filter unless asked."""
    spec = container()
    assert namespaces(spec) == {
        "pid": "/proc/77/ns/pid", "ipc": "/proc/77/ns/ipc", "uts": "/proc/77/ns/uts", "network": "/proc/77/ns/net",
        "mount": "",
    }  # fmt: skip
    assert spec["root"]["readonly"] is False
    assert spec["linux"]["cgroupsPath"] == "/kubepods/pod1/c1"
    assert (spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]) == ([], [])
    assert spec["process"]["capabilities"] == {
        name: list(DEFAULT_CAPABILITIES) for name in ("bounding", "effective", "permitted")
    }
    assert spec["process"]["noNewPrivileges"] is False
    assert spec["process"]["terminal"] is False
    assert spec["process"]["env"][-1] == "HOSTNAME=web"
    assert "seccomp" not in spec["linux"]
    assert spec["process"]["oomScoreAdj"] == 0
    assert mount_options(spec, "/sys/fs/cgroup")[-1] == "ro"
    json.dumps(spec)


def test_container_annotations_and_labels():
    """The container knows its pod, its own name and the image as the user wrote it."""
    config = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="app"), command=["x"], annotations={"c/1": "x", "no": "y"}
    )
    sandbox_config = pod()
    sandbox_config.annotations["p/1"] = "z"
    annotations = container(
        config=config, sandbox_config=sandbox_config, pod_annotations=("p/?",), container_annotations=("c/*",)
    )["annotations"]
    assert (annotations["c/1"], annotations["p/1"]) == ("x", "z")
    assert "no" not in annotations
    assert annotations["io.kubernetes.cri.container-type"] == "container"
    assert annotations["io.kubernetes.cri.sandbox-id"] == "s1"
    assert annotations["io.kubernetes.cri.container-name"] == "app"
    assert annotations["io.kubernetes.cri.image-name"] == "app:1"


def test_tty_and_environment():
    """A terminal brings TERM, which the image and then the request may override; a value need not be UTF-8."""
    config = cri.ContainerConfig(command=["x"], tty=True)
    config.envs.add(key="A", value=b"request")
    config.envs.add(key="RAW", value=b"\xff=")
    process = container(config=config, image_config=ImageConfig(env=("TERM=vt100", "A=image", "B=image")))["process"]
    assert process["terminal"] is True
    assert process["env"][1:] == ["TERM=vt100", "HOSTNAME=web", "A=request", "B=image", "RAW=�="]


@pytest.mark.parametrize(
    ("mode", "target", "expected"),
    [
        (cri.POD, None, "/proc/77/ns/pid"),
        (cri.NODE, None, "/proc/77/ns/pid"),
        (cri.CONTAINER, None, ""),
        (cri.TARGET, 88, "/proc/88/ns/pid"),
    ],
)
def test_pid_modes(mode, target, expected):
    """Each mode leads to the right process's namespace, or to a new one."""
    spec = container({"namespace_options": cri.NamespaceOption(pid=mode)}, target_pid=target)
    assert namespaces(spec)["pid"] == expected


def test_cgroup_namespace_only_under_v2_and_not_privileged():
    """v1 never had one; a privileged container sees the host's tree, writable and with its options."""
    v2 = node(cgroup_v2=True, cgroup2_options=("nsdelegate",))
    assert "cgroup" not in namespaces(container())
    assert namespaces(container(facts=v2))["cgroup"] == ""
    spec = container({"privileged": True}, sandbox_config=pod(privileged=True), facts=v2)
    assert "cgroup" not in namespaces(spec)
    assert mount_options(spec, "/sys/fs/cgroup")[-2:] == ["rw", "nsdelegate"]
    writable = SpecOptions(cgroup_writable=True)
    assert mount_options(container(facts=v2, options=writable), "/sys/fs/cgroup")[-1] == "rw"
    assert mount_options(container(options=writable), "/sys/fs/cgroup")[-1] == "ro"


NULL = DeviceNode("/dev/null", "c", 1, 3, 0o666, 0, 0)
FUSE = DeviceNode("/dev/fuse", "c", 10, 229, 0o600, 0, 0)


def test_privileged_container():
    """All capabilities and devices, nothing masked, /sys writable, no profile; only in a privileged pod."""
    default = cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    security = {"privileged": True, "seccomp": default, "masked_paths": ["/x"], "readonly_paths": ["/y"],
                "capabilities": cri.Capability(drop_capabilities=["ALL"])}  # fmt: skip
    privileged = {"sandbox_config": pod(privileged=True), "host_devices": (NULL, FUSE), "process_label": "l"}
    spec = container(security, **privileged)
    assert spec["process"]["capabilities"]["effective"] == list(NODE.capabilities)
    assert (spec["linux"]["maskedPaths"], spec["linux"]["readonlyPaths"]) == ([], [])
    assert mount_options(spec, "/sys")[-1] == "rw"
    assert [entry["path"] for entry in spec["linux"]["devices"]] == ["/dev/null", "/dev/fuse"]
    assert spec["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert "seccomp" not in spec["linux"]
    assert "selinuxLabel" not in spec["process"]
    with pytest.raises(InvalidArgumentError, match="privileged pod"):
        container(security)


def test_privileged_without_host_devices():
    """The handler's options take the nodes away, and the free use of all with them unless said otherwise."""
    more = {"sandbox_config": pod(privileged=True), "host_devices": (NULL,), "privileged_without_host_devices": True}
    spec = container({"privileged": True}, **more)
    assert "devices" not in spec["linux"]
    assert spec["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    spec = container({"privileged": True}, privileged_without_host_devices_all_devices_allowed=True, **more)
    assert "devices" not in spec["linux"]
    assert spec["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_devices_of_the_request():
    """A node with its rule; the owner follows the security context only when configured."""
    grant = DeviceGrant(FUSE, "/dev/myfuse", "rw")
    security = {"run_as_user": cri.Int64Value(value=7), "run_as_group": cri.Int64Value(value=8)}
    spec = container(security, devices=(grant,))
    assert spec["linux"]["devices"] == [
        {"path": "/dev/myfuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 0, "gid": 0}
    ]
    assert spec["linux"]["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]
    owned = container(security, devices=(grant,), options=SpecOptions(device_ownership_from_security_context=True))
    assert (owned["linux"]["devices"][0]["uid"], owned["linux"]["devices"][0]["gid"]) == (7, 8)
    with pytest.raises(InvalidArgumentError, match="'/dev/myfuse'"):
        container(devices=(DeviceGrant(FUSE, "/dev/myfuse", "x"),))


def test_masked_paths_are_the_requests_unless_disabled():
    """What the kubelet sends replaces the default, also when it sends nothing."""
    assert container({"masked_paths": ["/m"], "readonly_paths": ["/r"]})["linux"]["maskedPaths"] == ["/m"]
    unmasked = container({"masked_paths": ["/m"]}, options=SpecOptions(disable_proc_mount=True))
    assert unmasked["linux"]["maskedPaths"] == list(DEFAULT_MASKED_PATHS)


def test_apparmor():
    """A wish that cannot be met fails; no wish takes the default profile where it is loaded."""
    armed: dict[str, Any] = {
        "facts": node(apparmor=True),
        "apparmor_profiles": frozenset({"cri-containerd.apparmor.d", "mine"}),
    }
    types = cri.SecurityProfile
    mine = types(profile_type=types.Localhost, localhost_ref="mine")
    assert "apparmorProfile" not in container()["process"]
    assert container(**armed)["process"]["apparmorProfile"] == "cri-containerd.apparmor.d"
    assert container({"apparmor": mine}, **armed)["process"]["apparmorProfile"] == "mine"
    assert "apparmorProfile" not in container({"apparmor_profile": "unconfined"}, **armed)["process"]
    assert "apparmorProfile" not in container(options=SpecOptions(disable_apparmor=True), **armed)["process"]
    for security, more in (
        ({"apparmor": mine}, {}),
        ({"apparmor": types(profile_type=types.Localhost, localhost_ref="unloaded")}, armed),
        ({"apparmor_profile": "runtime/default"}, {**armed, "apparmor_profiles": frozenset()}),
    ):
        with pytest.raises(FailedPreconditionError, match="AppArmor"):
            container(security, **more)


def test_selinux_level_is_checked():
    """A malformed level is refused whether or not the node has SELinux."""
    for level in ("s0", "s0-s3", "s0:c1,c2", "s0:c1.c1023"):
        container({"selinux_options": cri.SELinuxOption(level=level)})
    for level in ("x", "s0:", "s0:c1,", "s0:cx"):
        with pytest.raises(InvalidArgumentError, match="level"):
            container({"selinux_options": cri.SELinuxOption(level=level)})


def test_requested_mount_wins_over_volume_and_pod_file():
    """Of three mounts on one path only the request's is there."""
    mounts: dict[str, Any] = {
        name: (ResolvedMount("/data", f"/{name}"),) for name in ("mounts", "extra_mounts", "volume_mounts")
    }
    assert [m["source"] for m in container(**mounts)["mounts"] if m["destination"] == "/data"] == ["/mounts"]


def test_base_spec_of_a_handler():
    """Its rlimits, profiles and further fields stay; the input is not changed, options and request still count."""
    base = {
        "process": {"rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}], "env": ["BASE=1"]},
        "linux": {"seccomp": {"defaultAction": "SCMP_ACT_LOG"}, "cgroupsPath": "/base"},
        "hooks": {"prestart": []},
        "mounts": [{"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": []}],
        "annotations": {"base": "1"},
    }
    before = json.dumps(base)
    spec = container(base_spec=base)
    assert json.dumps(base) == before
    assert spec["process"]["rlimits"] == [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]
    assert spec["process"]["env"][0] == "BASE=1"
    assert spec["linux"]["seccomp"] == {"defaultAction": "SCMP_ACT_LOG"}
    assert spec["linux"]["cgroupsPath"] == "/kubepods/pod1/c1"
    assert "hooks" in spec
    assert spec["annotations"]["base"] == "1"
    assert "/run" not in [entry["destination"] for entry in spec["mounts"]]
    own = container(base_spec=base, options=SpecOptions(rlimits=(Rlimit("RLIMIT_NOFILE", 1, 2),)))
    assert own["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]


def test_building_twice_gives_the_same_and_shares_nothing():
    """Specs are built from values: changing one result changes no other."""
    first, second = container(), container()
    assert first == second
    first["mounts"][0]["options"].append("changed")
    first["linux"]["resources"]["devices"][0]["allow"] = True
    assert container() == second


def test_a_container_of_a_pod_without_a_process():
    """It joins the pod's files, shares no processes, and has a shim of its own; what its pod lacks cannot be shared."""
    files = PodNamespaces(network="/n", ipc="", uts="/u")
    options = cri.NamespaceOption(pid=cri.CONTAINER)
    spec = container({"namespace_options": options}, namespaces=files, own_shim=True)
    assert namespaces(spec) == {"network": "/n", "uts": "/u", "pid": "", "mount": ""}
    assert spec["annotations"]["io.containerd.runc.v2.group"] == "c1"
    with pytest.raises(InvalidArgumentError, match="pid namespace mode POD"):
        container({"namespace_options": cri.NamespaceOption(pid=cri.POD)}, namespaces=files)
