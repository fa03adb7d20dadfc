"""Classes of block I/O in real cgroups, and what happens on a node that has no classes."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from lab.cri_client import failure
from lab.lab import Lab
from tests.integration.daemon.conftest import run_pod

BLKIO = Path("/sys/fs/cgroup/blkio")
BLOCKIO, RDT = "blockio.resources.beta.kubernetes.io", "rdt.resources.beta.kubernetes.io"
REFUSED = grpc.StatusCode.FAILED_PRECONDITION


def disk():
    """A disk that cgroups can limit."""
    for name in sorted(os.listdir("/sys/block")):
        node = Path("/dev", name)
        if node.is_block_device() and (Path("/sys/block", name) / "device").exists():
            return node
    pytest.skip("this machine shows no disk")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def classy(tmp_path_factory):
    """A node with classes of block I/O, and with RDT classes that it ignores, having no RDT."""
    if not BLKIO.is_dir():
        pytest.skip("no blkio controller of cgroup v1")
    file = tmp_path_factory.mktemp("classes") / "blockio.yaml"
    file.write_text(
        f"Classes:\n  slow:\n    - Weight: 70\n    - Devices: [{disk()}]\n      ThrottleReadBps: 3Mi\n"
        f"      ThrottleWriteIOPS: 150\n  slower:\n    - Devices: [{disk()}]\n      ThrottleReadBps: 1Mi\n"
    )
    settings = {
        "runtime": {"blockio_config_file": str(file), "rdt_classes": ["gold"]},
        "containerd": {"ignore_rdt_not_enabled_errors": True},
    }
    async with Lab("bridge", settings=settings) as lab:
        yield lab


def setting(lab, container, file):
    """What the kernel has in a file of the container's cgroup."""
    return (BLKIO / lab.cgroup_parent.strip("/") / container.id / file).read_text().split()


async def test_a_class_reaches_the_cgroup(classy):
    """Limits and weight of the class of the pod are in the kernel; a container may have another class."""
    numbers = disk().stat().st_rdev
    number = f"{os.major(numbers)}:{os.minor(numbers)}"
    annotations = {f"{BLOCKIO}/pod": "slow", f"{BLOCKIO}/container.other": "slower"}
    pod = await run_pod(classy, annotations=annotations)
    container, other = await pod.start("main"), await pod.start("other")
    assert setting(classy, container, "blkio.throttle.read_bps_device") == [number, str(3 << 20)]
    assert setting(classy, container, "blkio.throttle.write_iops_device") == [number, "150"]
    assert setting(classy, other, "blkio.throttle.read_bps_device") == [number, str(1 << 20)]
    weights = [
        f for f in ("blkio.bfq.weight", "blkio.weight") if (BLKIO / classy.cgroup_parent.strip("/") / f).exists()
    ]
    for file in weights[:1]:
        assert setting(classy, container, file)[-1] == "70"
    assert weights
    await pod.remove()


async def test_a_class_that_is_not_there_is_refused(classy):
    """The error names the class and those that there are."""
    pod = await run_pod(classy, annotations={f"{BLOCKIO}/pod": "warp"})
    code, message = await failure(pod.create())
    assert code == REFUSED
    assert "'warp'" in message
    assert "slow, slower" in message
    await pod.remove()


async def test_a_class_may_be_ignored_if_the_node_has_none(classy):
    """With ignore_rdt_not_enabled_errors the container runs, and the log says what it does not have."""
    if Path("/sys/fs/resctrl/schemata").exists():
        pytest.skip("this machine has RDT")
    pod = await run_pod(classy, annotations={f"{RDT}/pod": "gold"})
    container = await pod.start()
    assert await container.output("echo runs") == "runs"
    assert "container.class_ignored" in classy.bridge.log
    await pod.remove()


@pytest.mark.parametrize(
    ("annotation", "says"), [(f"{BLOCKIO}/pod", "blockio disabled"), (f"{RDT}/container.main", "RDT disabled")]
)
async def test_a_node_without_classes_refuses(lab, annotation, says):
    """Without classes in the configuration a container that asks for one is refused, and not run without."""
    pod = await run_pod(lab, annotations={annotation: "gold"})
    code, message = await failure(pod.create("main"))
    assert code == REFUSED
    assert says in message
    assert "'gold'" in message
    await pod.remove()
