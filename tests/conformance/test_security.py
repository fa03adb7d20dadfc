"""Capabilities, privileges, seccomp, masked and read-only paths, the root file system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure

# Numbers from linux/capability.h.
CHOWN, KILL, NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_ADMIN, SYS_TIME = 0, 5, 10, 12, 13, 21, 25
DEFAULT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
PROFILE = cri.SecurityProfile


async def capabilities(pod, kind="Eff", **security):
    """Capability numbers of a process."""
    shown = await pod.output(f"grep Cap{kind}: /proc/self/status", security=security)
    mask = int(shown.split()[1], 16)
    return {number for number in range(64) if mask >> number & 1}


async def status_field(pod, name, **security):
    """A field of /proc/self/status."""
    return (await pod.output(f"grep ^{name}: /proc/self/status", security=security)).split()[1]


async def test_default_capabilities(pod):
    """A container has the fourteen usual capabilities, none of them inheritable or ambient."""
    assert await capabilities(pod) == DEFAULT
    assert await capabilities(pod, "Bnd") == DEFAULT
    assert await capabilities(pod, "Inh") == set()
    assert await capabilities(pod, "Amb") == set()


@pytest.mark.proves(
    "ContainerConfig.linux",
    "LinuxContainerConfig.security_context",
    "LinuxContainerSecurityContext.capabilities",
    "Capability.add_capabilities",
    "Capability.drop_capabilities",
)
@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (["NET_ADMIN"], [], DEFAULT | {NET_ADMIN}),
        (["NET_ADMIN"], ["CHOWN"], DEFAULT - {CHOWN} | {NET_ADMIN}),
        (["net_admin"], ["net_raw", "kill"], DEFAULT - {NET_RAW, KILL} | {NET_ADMIN}),
        ([], ["ALL"], set()),
        (["NET_BIND_SERVICE"], ["ALL"], {NET_BIND_SERVICE}),
    ],
)
async def test_capabilities_are_added_and_dropped(pod, add, drop, expected):
    """Adds and drops change the usual set, in any spelling; drop ALL leaves what is added."""
    capabilities_seen = await capabilities(pod, capabilities={"add_capabilities": add, "drop_capabilities": drop})
    assert capabilities_seen == expected


async def test_all_capabilities(pod):
    """Add ALL gives every capability that the runtime has, and a drop still takes one away."""
    capabilities_seen = await capabilities(
        pod, capabilities={"add_capabilities": ["ALL"], "drop_capabilities": ["SYS_TIME"]}
    )
    assert SYS_ADMIN in capabilities_seen
    assert SYS_TIME not in capabilities_seen


@pytest.mark.plugin_differs("the plugin puts CAP_ before every name, and then knows no CAP_CAP_NET_ADMIN")
async def test_a_capability_may_have_its_prefix(pod):
    """A name that is written with CAP_ means the same."""
    assert await capabilities(pod, capabilities={"add_capabilities": ["CAP_NET_ADMIN"]}) == DEFAULT | {NET_ADMIN}


async def test_a_user_has_no_effective_capabilities(pod):
    """A process that is not root has no effective capabilities."""
    assert await capabilities(pod, run_as_user={"value": 1000}) == set()


@pytest.mark.proves("LinuxContainerSecurityContext.privileged")
async def test_a_privileged_container(node):
    """Privileged: all capabilities, no seccomp filter, the node's devices, nothing masked."""
    pod = await node.run(security={"privileged": True})
    container = await pod.start(security={"privileged": True})
    assert int((await container.output("grep CapEff: /proc/self/status")).split()[1], 16) >> SYS_ADMIN & 1
    assert await container.output("awk '/^Seccomp:/{print $2}' /proc/self/status") == "0"
    assert await container.output("test -e /dev/kmsg && echo there") == "there"
    assert await container.output("grep -c ' /proc/' /proc/mounts || true") == "0"


@pytest.mark.plugin_differs(
    "1.x mounts the sandbox's /sys read-only first, and that is one file system for the pod", before="2.0"
)
async def test_a_privileged_container_may_write_to_sys(node):
    """Privileged: /sys is writable, as in no other container."""
    pod = await node.run(security={"privileged": True})
    container = await pod.start(security={"privileged": True})
    assert " rw" in await container.output("grep ' /sys ' /proc/mounts | sed 's/,.*//'")


@pytest.mark.proves("LinuxSandboxSecurityContext.privileged")
async def test_a_privileged_container_needs_a_privileged_pod(pod):
    """In a pod that is not privileged a privileged container is refused."""
    _, message = await failure(pod.create(security={"privileged": True}))
    assert "privileged" in message


async def test_an_ordinary_container_is_not_privileged(pod):
    """Without privilege the devices are the usual few and /sys is read-only."""
    assert await pod.output("test -e /dev/kmsg && echo there || echo none") == "none"
    assert " ro" in await pod.output("grep ' /sys ' /proc/mounts | sed 's/,.*//'")


@pytest.mark.proves("LinuxContainerSecurityContext.readonly_rootfs")
async def test_a_read_only_root(pod):
    """With readonly_rootfs nothing can be written, without it everything can."""
    script = "touch /file 2>/dev/null && echo written || echo refused"
    assert await pod.output(script) == "written"
    assert await pod.output(script, security={"readonly_rootfs": True}) == "refused"


@pytest.mark.proves("LinuxContainerSecurityContext.no_new_privs")
async def test_no_new_privileges(pod):
    """no_new_privs is set when asked for, and only then."""
    assert await status_field(pod, "NoNewPrivs", no_new_privs=True) == "1"
    assert await status_field(pod, "NoNewPrivs") == "0"


@pytest.mark.proves("LinuxContainerSecurityContext.masked_paths", "LinuxContainerSecurityContext.readonly_paths")
async def test_masked_and_read_only_paths(pod, tmp_path):
    """Masked paths are empty, read-only ones cannot be written, and only those that were named."""
    security = {"masked_paths": ["/proc/kcore", "/proc/acpi"], "readonly_paths": ["/proc/sys"]}
    container = await pod.start(security=security)
    assert await container.output("head -c 1 /proc/kcore | wc -c") == "0"
    assert " ro" in await container.output("grep ' /proc/sys ' /proc/mounts | sed 's/,.*//'")
    other = await pod.start()
    assert await other.output("grep -c ' /proc/' /proc/mounts || true") == "0"


@pytest.mark.proves("LinuxContainerSecurityContext.seccomp", "SecurityProfile.profile_type")
@pytest.mark.parametrize(
    ("profile", "mode"),
    [
        (PROFILE(profile_type=PROFILE.RuntimeDefault), "2"),
        (PROFILE(profile_type=PROFILE.Unconfined), "0"),
        (None, "0"),
    ],
)
async def test_seccomp_profiles(pod, profile, mode):
    """RuntimeDefault filters system calls; Unconfined, and no profile, do not."""
    assert await status_field(pod, "Seccomp", **({"seccomp": profile} if profile else {})) == mode


async def test_the_default_seccomp_profile_refuses_what_it_should(pod):
    """Under RuntimeDefault a process may work, but not make a new user namespace."""
    security = {"seccomp": PROFILE(profile_type=PROFILE.RuntimeDefault)}
    script = "unshare -U true 2>/dev/null && echo allowed || echo refused; echo works"
    assert await pod.output(script, security=security) == "refused\nworks"


@pytest.mark.proves("SecurityProfile.localhost_ref")
async def test_a_seccomp_profile_of_the_node(pod, tmp_path):
    """A Localhost profile is read from the node and applied."""
    profile = tmp_path / "no-chmod.json"
    names = ["chmod", "fchmod", "fchmodat", "fchmodat2"]
    rules = [{"names": names, "action": "SCMP_ACT_ERRNO"}]
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    security = {"seccomp": PROFILE(profile_type=PROFILE.Localhost, localhost_ref=str(profile))}
    script = "touch /tmp/f && echo touched; chmod 700 /tmp/f 2>/dev/null && echo changed || echo refused"
    assert await pod.output(script, security=security) == "touched\nrefused"


async def test_a_seccomp_profile_that_is_missing_is_refused(pod):
    """A Localhost profile that does not exist is an error that names it."""
    security = {"seccomp": PROFILE(profile_type=PROFILE.Localhost, localhost_ref="/no/such/profile.json")}
    _, message = await failure(pod.start(security=security))
    assert "/no/such/profile.json" in message


@pytest.mark.proves("LinuxContainerSecurityContext.apparmor")
async def test_apparmor_where_there_is_none(pod):
    """On a node without AppArmor an unconfined profile is fine and a profile of the node is refused."""
    await pod.start(security={"apparmor": PROFILE(profile_type=PROFILE.Unconfined)})
    profile = PROFILE(profile_type=PROFILE.Localhost, localhost_ref="no-such-profile")
    _, message = await failure(pod.start(security={"apparmor": profile}))
    assert "apparmor" in message.lower()


@pytest.mark.proves("Capability.add_ambient_capabilities")
@pytest.mark.plugin_differs("the plugin clears them")
async def test_ambient_capabilities(pod):
    """A process that is not root keeps the ambient capabilities that were asked for, and is able to use them."""
    wanted = {"add_ambient_capabilities": ["NET_BIND_SERVICE"]}
    assert await capabilities(pod, "Amb", capabilities=wanted, run_as_user={"value": 1000}) == {NET_BIND_SERVICE}
    assert await capabilities(pod, capabilities=wanted, run_as_user={"value": 1000}) == {NET_BIND_SERVICE}


@pytest.mark.proves("LinuxContainerSecurityContext.seccomp_profile_path")
@pytest.mark.parametrize(("path", "mode"), [("runtime/default", "2"), ("unconfined", "0"), ("", "0")])
async def test_seccomp_in_the_old_form(pod, path, mode):
    """Kubelets up to 1.18 name the filter by a string."""
    assert await status_field(pod, "Seccomp", seccomp_profile_path=path) == mode


async def test_a_seccomp_profile_of_the_node_in_the_old_form(pod, tmp_path):
    """A filter's file is named after localhost/."""
    profile = tmp_path / "no-chmod.json"
    rules = [{"names": ["chmod", "fchmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO"}]
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    script = "touch /tmp/f; chmod 700 /tmp/f 2>/dev/null && echo changed || echo refused"
    assert await pod.output(script, security={"seccomp_profile_path": f"localhost/{profile}"}) == "refused"


@pytest.mark.proves("LinuxContainerSecurityContext.apparmor_profile")
@pytest.mark.skipif(Path("/sys/kernel/security/apparmor").exists(), reason="this node has AppArmor")
async def test_apparmor_in_the_old_form_where_there_is_none(pod):
    """Kubelets up to 1.29 name the profile by a string: unconfined is fine, a profile of the node is refused."""
    await pod.start(security={"apparmor_profile": "unconfined"})
    _, message = await failure(pod.start(security={"apparmor_profile": "localhost/no-such-profile"}))
    assert "apparmor" in message.lower()


@pytest.mark.proves("LinuxSandboxSecurityContext.apparmor")
@pytest.mark.skipif(Path("/sys/kernel/security/apparmor").is_dir(), reason="this node has AppArmor")
@pytest.mark.plugin_differs("the plugin passes over the profile of a pod itself")
async def test_apparmor_of_a_pod_where_there_is_none(node):
    """A pod that asks for a profile of its own on a node without AppArmor is refused, like a container."""
    await node.run(security={"apparmor": PROFILE(profile_type=PROFILE.Unconfined)})
    profile = PROFILE(profile_type=PROFILE.Localhost, localhost_ref="no-such-profile")
    _, message = await failure(node.run(security={"apparmor": profile}))
    assert "apparmor" in message.lower()
