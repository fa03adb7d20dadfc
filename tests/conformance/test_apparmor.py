"""AppArmor profiles, on a node whose kernel has AppArmor: the default one, none, and one of the node's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure

PROFILE = cri.SecurityProfile
CURRENT = "cat /proc/self/attr/apparmor/current"
# Only AppArmor stands against this mount: the capability is there, and seccomp lets it pass.
MOUNT = "mount -t tmpfs none /tmp && echo mounted || echo refused"
MAY_MOUNT = {"capabilities": {"add_capabilities": ["SYS_ADMIN"]}}
OWN = "cri-conformance"
OWN_PROFILE = f"""
profile {OWN} flags=(attach_disconnected,mediate_deleted) {{
  file, network, capability, signal, ptrace,
  deny /etc/hostname r,
}}
"""

pytestmark = pytest.mark.skipif(
    not (Path("/sys/kernel/security/apparmor").is_dir() and shutil.which("apparmor_parser")),
    reason="this node has no AppArmor",
)


@pytest.fixture
def own_profile():
    """A profile of the node's own, loaded while the test runs."""
    subprocess.run(["apparmor_parser", "-K", "-r"], input=OWN_PROFILE, text=True, check=True)
    yield OWN
    subprocess.run(["apparmor_parser", "-K", "-R"], input=OWN_PROFILE, text=True, check=True)


def confines_nothing(label: str) -> bool:
    """Tell whether a label is that of a process which AppArmor lets do everything.

    Debian 13 gives runc a profile in this mode, for user namespaces, and what runc starts without a profile keeps it.
    """
    return label == "unconfined" or label.endswith(" (unconfined)")


@pytest.mark.parametrize("asked", [None, PROFILE(profile_type=PROFILE.RuntimeDefault)], ids=["nothing", "default"])
async def test_the_default_profile(pod, asked):
    """A container that asks for nothing, or for the default, runs under the default profile, which refuses mounts."""
    security = {**MAY_MOUNT, "apparmor": asked} if asked else MAY_MOUNT
    assert await pod.output(f"{CURRENT}; {MOUNT}", security=security) == "cri-containerd.apparmor.d (enforce)\nrefused"


async def test_no_profile(pod):
    """Unconfined is unconfined: the same mount is allowed."""
    security = {**MAY_MOUNT, "apparmor": PROFILE(profile_type=PROFILE.Unconfined)}
    label, mount = (await pod.output(f"{CURRENT}; {MOUNT}", security=security)).split("\n")
    assert confines_nothing(label), label
    assert mount == "mounted"


async def test_a_privileged_container_has_none(node):
    """A privileged container that asks for nothing is unconfined."""
    pod = await node.run(security={"privileged": True})
    label = await pod.output(CURRENT, security={"privileged": True})
    assert confines_nothing(label), label


async def test_a_profile_of_the_node(pod, own_profile):
    """A profile that the node has loaded is taken, and holds for what is executed in the container later."""
    profile = PROFILE(profile_type=PROFILE.Localhost, localhost_ref=own_profile)
    container = await pod.start(security={"apparmor": profile})
    assert await container.output(CURRENT) == f"{own_profile} (enforce)"
    assert (await container.execute("cat", "/etc/hostname")).exit_code != 0
    assert (await container.execute("cat", "/etc/hosts")).exit_code == 0


async def test_a_profile_that_is_not_loaded(pod):
    """A profile that the node has not is refused by name."""
    profile = PROFILE(profile_type=PROFILE.Localhost, localhost_ref="no-such-profile")
    _, message = await failure(pod.start(security={"apparmor": profile}))
    assert "no-such-profile" in message
