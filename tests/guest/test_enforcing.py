"""That SELinux really stands in the way of the containers of this guest, and in nobody else's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.lab import Lab
from lab.pods import Pod

SELINUX = Path("/sys/fs/selinux/enforce")
pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not SELINUX.exists(), reason="the kernel has no SELinux: make test-guest SUITES=selinux"),
]


def denials():
    """What the kernel has denied since its start."""
    log = subprocess.run(["journalctl", "--no-pager", "-k", "-o", "cat"], capture_output=True, text=True, check=True)
    return [line for line in log.stdout.splitlines() if "avc:  denied" in line]


def test_the_kernel_enforces():
    """It denies, and does not only log."""
    assert SELINUX.read_text() == "1"
    assert Path("/proc/self/attr/current").read_text().split(":")[2] == "unconfined_t"


async def test_a_container_may_not_read_the_nodes_files():
    """A directory of the node is mounted into it and its label refuses it; with relabelling the container may read."""
    async with Lab("bridge", settings={"runtime": {"enable_selinux": True}}) as lab:
        secret = lab.directory / "secret"
        secret.mkdir()
        (secret / "word").write_text("sesame\n")
        pod = await Pod.run(lab.client, lab.busybox, log_directory=lab.logs, cgroup_parent=lab.cgroup_parent)
        mount = {"container_path": "/secret", "host_path": str(secret)}
        assert await pod.output("cat /secret/word 2>/dev/null || echo denied", mounts=[mount]) == "denied"
        assert await pod.output("cat /secret/word", mounts=[{**mount, "selinux_relabel": True}]) == "sesame"
        await pod.remove()


def test_nothing_else_is_denied():
    """Neither the daemon nor containerd is refused anything, and a container nothing but the file of the test above."""
    left = [line for line in denials() if "container_t" in line or "unconfined_t" in line]
    unexpected = [line for line in left if 'name="secret"' not in line and 'name="word"' not in line]
    assert unexpected == [], "\n".join(unexpected[:20])
