"""The two entrances: what a request makes of a spec."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.apparmor import DEFAULT_PROFILE
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.defaults import DEFAULT_CAPABILITIES, DEFAULT_MASKED_PATHS
from cri_shim.oci.devices import DeviceGrant, DeviceNode
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.mounts import ResolvedMount
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.options import Rlimit, SpecOptions
from cri_shim.oci.pinned_spec import pinned_spec
from cri_shim.oci.sandbox_spec import SandboxSpecInput, build_sandbox_spec
from cri_shim.oci.users import ResolvedUser
from tests.unit.oci.facts import NODE, node

PAUSE = ImageConfig(user="65535:65535", env=("PATH=/",), entrypoint=("/pause",))
METADATA = cri.PodSandboxMetadata(name="web", namespace="shop", uid="u1", attempt=2)


def pod(**security) -> cri.PodSandboxConfig:
    return cri.PodSandboxConfig(
        metadata=METADATA,
        hostname="web",
        log_directory="/var/log/pods/x",
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent="/kubepods/pod1", security_context=cri.LinuxSandboxSecurityContext(**security)
        ),
    )


def sandbox(config: cri.PodSandboxConfig | None = None, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": "s1", "config": config or pod(), "image_config": PAUSE, "facts": NODE, "netns_path": "/run/netns/1",
        "resolv_conf_path": "/r", "shm_path": "/shm", "hostname": "web", "image_name": "pause:3", **changes,
    }  # fmt: skip
    return build_sandbox_spec(SandboxSpecInput(**values))


def container(security: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    config = changes.pop("config", None) or cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="app"), command=["/app"]
    )
    config.linux.security_context.MergeFrom(cri.LinuxContainerSecurityContext(**(security or {})))
    values: dict[str, Any] = {
        "id": "c1", "sandbox_id": "s1", "namespaces": PodNamespaces.of_process(77), "config": config,
        "sandbox_config": pod(), "image_config": ImageConfig(), "user": ResolvedUser(1, 2, (2, 3)), "facts": NODE,
        "hostname": "web", "image_name": "app:1", **changes,
    }  # fmt: skip
    return build_container_spec(ContainerSpecInput(**values))


def namespaces(spec: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry.get("path", "") for entry in spec["linux"]["namespaces"]}


def mount_options(spec: dict[str, Any], path: str) -> list[str]:
    (found,) = [entry for entry in spec["mounts"] if entry["destination"] == path]
    return list(found["options"])


def test_sandbox_of_an_ordinary_pod():
    """Read-only root, own namespaces around the given network one, least CPU, nearly last to be killed."""
    spec = sandbox()
    assert spec["root"] == {"path": "rootfs", "readonly": True}
    assert spec["hostname"] == "web"
    assert namespaces(spec) == {"pid": "", "ipc": "", "uts": "", "mount": "", "network": "/run/netns/1"}
    assert spec["linux"]["cgroupsPath"] == "/kubepods/pod1/s1"
    assert spec["linux"]["resources"]["cpu"] == {"shares": 2}
    process = spec["process"]
    assert process["args"] == ["/pause"]
    assert process["env"] == ["PATH=/"]
    assert process["user"] == {"uid": 65535, "gid": 65535, "additionalGids": [65535]}
    assert process["oomScoreAdj"] == -998
    assert process["noNewPrivileges"] is True
    assert "rlimits" not in process
    for path in ("/dev/shm", "/etc/resolv.conf"):
        assert mount_options(spec, path) == ["rbind", "ro", "nosuid", "nodev", "noexec"]
    assert "/run" not in [entry["destination"] for entry in spec["mounts"]]
    json.dumps(spec)


def test_sandbox_annotations():
    """The shim finds the pod by them; the pod's own annotations pass through but never replace ours."""
    config = pod()
    config.annotations.update({"io.example/a": "1", "other": "2", "io.kubernetes.cri.sandbox-id": "stolen"})
    config.linux.resources.cpu_quota = 5
    spec = sandbox(config, pod_annotations=("io.example/*", "io.kubernetes.*"))
    prefix = "io.kubernetes.cri."
    assert spec["annotations"] == {
        "io.example/a": "1",
        f"{prefix}container-type": "sandbox",
        f"{prefix}sandbox-id": "s1",
        f"{prefix}sandbox-name": "web",
        f"{prefix}sandbox-namespace": "shop",
        f"{prefix}sandbox-uid": "u1",
        f"{prefix}sandbox-log-directory": "/var/log/pods/x",
        f"{prefix}podsandbox.image-name": "pause:3",
        f"{prefix}sandbox-cpu-period": "0",
        f"{prefix}sandbox-cpu-quota": "5",
        f"{prefix}sandbox-cpu-shares": "0",
        f"{prefix}sandbox-memory": "0",
    }


def test_sandbox_on_the_hosts_namespaces():
    """Mode NODE drops a namespace; with the network go hostname and the convenient sysctls."""
    options = cri.NamespaceOption(network=cri.NODE, pid=cri.NODE, ipc=cri.NODE)
    spec = sandbox(pod(namespace_options=options), netns_path="", shm_path=None)
    assert namespaces(spec) == {"mount": ""}
    assert "hostname" not in spec
    assert "sysctl" not in spec["linux"]
    (shm,) = [entry for entry in spec["mounts"] if entry["destination"] == "/dev/shm"]
    assert shm["source"] == "/dev/shm"


def test_sandbox_sysctls():
    """Unprivileged ports and ping are allowed unless switched off or set by the pod."""
    ports, ping = "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range"
    assert sandbox()["linux"]["sysctl"] == {ports: "0", ping: "0 2147483647"}
    off = SpecOptions(enable_unprivileged_icmp=False, enable_unprivileged_ports=False)
    assert "sysctl" not in sandbox(options=off)["linux"]
    config = pod()
    config.linux.sysctls[ports] = "80"
    assert sandbox(config, facts=node(in_user_namespace=True))["linux"]["sysctl"] == {ports: "80"}
    assert dict(config.linux.sysctls) == {ports: "80"}


def test_privileged_sandbox():
    """Only then is /sys writable; an SELinux label and a filter are left out."""
    assert mount_options(sandbox(), "/sys")[-1] == "ro"
    default = cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    spec = sandbox(pod(privileged=True, seccomp=default), process_label="l", mount_label="m")
    assert mount_options(spec, "/sys")[-1] == "rw"
    assert "seccomp" not in spec["linux"]
    assert "selinuxLabel" not in spec["process"]
    spec = sandbox(pod(seccomp=default), process_label="l", mount_label="m")
    assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert (spec["process"]["selinuxLabel"], spec["linux"]["mountLabel"]) == ("l", "m")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"netns_path": ""}, "network namespace"),
        ({"shm_path": None}, "shared memory"),
        ({"image_config": ImageConfig(user="1:1")}, "no command"),
        ({"image_config": ImageConfig(user="nobody", cmd=("x",))}, "'nobody'"),
        ({"options": SpecOptions(systemd_cgroup=True)}, "'/kubepods/pod1'"),
    ],
)
def test_sandboxes_that_cannot_be(changes, word):
    """What is missing or contradictory is refused by name."""
    with pytest.raises(InvalidArgumentError, match=word):
        sandbox(**changes)


def userns(**changes) -> cri.NamespaceOption:
    mapping = cri.IDMapping(container_id=0, host_id=100_000, length=65_536)
    return cri.NamespaceOption(
        userns_options=cri.UserNamespace(mode=cri.POD, uids=[mapping], gids=[mapping]), **changes
    )


def test_user_namespace_of_a_pod():
    """Sandbox and container get the mappings, the container by joining; ping is not opened for ids that map nowhere."""
    spec = sandbox(pod(namespace_options=userns()), userns_path="/pinned/user")
    assert namespaces(spec)["user"] == "/pinned/user"
    assert spec["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
    assert "net.ipv4.ping_group_range" not in spec["linux"]["sysctl"]
    both: dict[str, Any] = {
        "security": {"namespace_options": userns()},
        "sandbox_config": pod(namespace_options=userns()),
    }
    spec = container(**both)
    assert namespaces(spec)["user"] == "/proc/77/ns/user"
    assert mount_options(spec, "/sys")[-1] == "ro"
    on_host = userns(network=cri.NODE)
    spec = container({"namespace_options": on_host}, sandbox_config=pod(namespace_options=on_host))
    assert "rro" in mount_options(spec, "/sys")
    with pytest.raises(InvalidArgumentError, match="differs"):
        container({"namespace_options": userns()})


@pytest.mark.parametrize("kind", ["uids", "gids"])
def test_user_namespace_needs_one_mapping_of_each_kind(kind):
    """None, two or empty mappings are refused."""
    options = userns()
    getattr(options.userns_options, kind)[0].length = 0
    with pytest.raises(InvalidArgumentError, match="length"):
        sandbox(pod(namespace_options=options))
    del getattr(options.userns_options, kind)[:]
    with pytest.raises(InvalidArgumentError, match="exactly one"):
        sandbox(pod(namespace_options=options))


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
    kept = container({"masked_paths": ["/m"]}, options=SpecOptions(disable_proc_mount=True))
    assert kept["linux"]["maskedPaths"] == list(DEFAULT_MASKED_PATHS)


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


def test_apparmor_of_a_sandbox():
    """The pause process is confined only if the request says so; a wish that cannot be met fails as for containers."""
    types = cri.SecurityProfile
    wished = pod(apparmor=types(profile_type=types.Localhost, localhost_ref="mine"))
    armed: dict[str, Any] = {"facts": node(apparmor=True), "apparmor_profiles": frozenset({"mine", DEFAULT_PROFILE})}
    assert "apparmorProfile" not in sandbox(**armed)["process"]
    assert sandbox(wished, **armed)["process"]["apparmorProfile"] == "mine"
    default = pod(apparmor=types(profile_type=types.RuntimeDefault))
    assert sandbox(default, **armed)["process"]["apparmorProfile"] == DEFAULT_PROFILE
    unconfined = pod(apparmor=types(profile_type=types.Unconfined))
    assert "apparmorProfile" not in sandbox(unconfined)["process"]
    for more in ({}, {**armed, "apparmor_profiles": frozenset()}):
        with pytest.raises(FailedPreconditionError, match="AppArmor"):
            sandbox(wished, **more)


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


def test_the_spec_of_a_pod_without_a_process():
    """It says what the pod is, which namespaces its containers join, and nothing of a process."""
    spec = pinned_spec(sandbox(), PodNamespaces(network="/n", ipc="", uts="/u"))
    assert namespaces(spec) == {"network": "/n", "uts": "/u"}
    assert not {"process", "root", "mounts"} & set(spec)
    assert set(spec["linux"]) == {"cgroupsPath", "namespaces", "sysctl"}
    assert spec["annotations"]["io.kubernetes.cri.sandbox-id"] == "s1"


def test_a_container_of_a_pod_without_a_process():
    """It joins the pod's files, shares no processes, and has a shim of its own; what its pod lacks cannot be shared."""
    files = PodNamespaces(network="/n", ipc="", uts="/u")
    options = cri.NamespaceOption(pid=cri.CONTAINER)
    spec = container({"namespace_options": options}, namespaces=files, own_shim=True)
    assert namespaces(spec) == {"network": "/n", "uts": "/u", "pid": "", "mount": ""}
    assert spec["annotations"]["io.containerd.runc.v2.group"] == "c1"
    with pytest.raises(InvalidArgumentError, match="pid namespace mode POD"):
        container({"namespace_options": cri.NamespaceOption(pid=cri.POD)}, namespaces=files)
