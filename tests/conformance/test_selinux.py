"""SELinux options: what they do where the kernel has SELinux, and that they do no harm where it has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure

HERE = Path("/sys/fs/selinux/enforce").exists()
CURRENT = "cat /proc/self/attr/current"
OPTIONS = cri.SELinuxOption(user="system_u", role="system_r", type="container_t", level="s0:c4,c5")

pytestmark = pytest.mark.proves(
    "SELinuxOption.user",
    "SELinuxOption.role",
    "SELinuxOption.type",
    "SELinuxOption.level",
    "LinuxContainerSecurityContext.selinux_options",
    "LinuxSandboxSecurityContext.selinux_options",
)


@pytest.mark.skipif(HERE, reason="this node has SELinux")
async def test_options_where_there_is_no_selinux(node):
    """Pods and containers with options run without labels: many that run everywhere have options for some nodes."""
    pod = await node.run(security={"selinux_options": OPTIONS})
    assert await pod.output("echo runs", security={"selinux_options": OPTIONS}) == "runs"


@pytest.mark.parametrize("level", ["s0,c4,c5", "s0:", "nonsense"])
async def test_a_level_that_is_none_is_refused(node, pod, level):
    """A level that SELinux could not read is refused for pods and for containers, with SELinux and without."""
    wrong = {"selinux_options": cri.SELinuxOption(level=level)}
    _, message = await failure(node.run(security=wrong))
    assert level in message
    _, message = await failure(pod.create(security=wrong))
    assert level in message


@pytest.mark.skipif(not HERE, reason="this node has no SELinux")
async def test_labels_where_there_is_selinux(node):
    """A container runs under the label that it asks for, and beside one that asks for nothing under its pod's."""
    pod = await node.run(security={"selinux_options": OPTIONS})
    own = cri.SELinuxOption(level="s0:c6,c7")
    assert (await pod.output(CURRENT)).rstrip("\0") == "system_u:system_r:container_t:s0:c4,c5"
    assert (await pod.output(CURRENT, security={"selinux_options": own})).rstrip("\0").endswith(":s0:c6,c7")
