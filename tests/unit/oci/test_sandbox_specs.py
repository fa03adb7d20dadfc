"""What a request makes of the spec of a sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.image_config import ImageConfig
from cri_shim.oci.namespaces import PodNamespaces
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.pinned_spec import pinned_spec
from cri_shim.oci.security.apparmor import DEFAULT_PROFILE
from tests.unit.oci.facts import node
from tests.unit.oci.specs import container, mount_options, namespaces, pod, sandbox, userns


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


def test_the_spec_of_a_pod_without_a_process():
    """It says what the pod is, which namespaces its containers join, and nothing of a process."""
    spec = pinned_spec(sandbox(), PodNamespaces(network="/n", ipc="", uts="/u"))
    assert namespaces(spec) == {"network": "/n", "uts": "/u"}
    assert not {"process", "root", "mounts"} & set(spec)
    assert set(spec["linux"]) == {"cgroupsPath", "namespaces", "sysctl"}
    assert spec["annotations"]["io.kubernetes.cri.sandbox-id"] == "s1"
