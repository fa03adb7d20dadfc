"""Settings that change what the OCI runtime is given: seen in the container, or in the bundle that the runtime gets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cgroup_driver import ROOT, unified
from lab.cri_client import failure
from lab.lab import Lab
from tests.integration.daemon.conftest import run_pod

RUNC = "io.containerd.runc.v2"
MIB = 1 << 20
OPEN_FILES = 4321


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(tmp_path_factory):
    """A node with a handler for each setting."""
    base = tmp_path_factory.mktemp("base") / "spec.json"
    handlers = {
        "told": {
            "runtime_type": RUNC,
            "pod_annotations": ["io.pod.*", "io.deep/*"],
            "container_annotations": ["io.container.?"],
        },
        "based": {"runtime_type": RUNC, "base_runtime_spec": str(base)},
    }
    runtime = {
        "device_ownership_from_security_context": True,
        "disable_hugetlb_controller": False,
        "tolerate_missing_hugetlb_controller": False,
    }
    base.write_text("{}")
    async with Lab("bridge", settings={"containerd": {"runtimes": handlers}, "runtime": runtime}) as lab:
        base.write_text(await asyncio.to_thread(base_spec, lab))
        yield lab


def base_spec(lab):
    """What containerd says a specification begins with, and a limit that nothing else would set."""
    spec = json.loads(lab.containerd.ctr("oci", "spec"))
    spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": OPEN_FILES, "hard": OPEN_FILES}]
    return json.dumps(spec)


def bundle(lab, id_):
    """The specification in the bundle of a running container or pod."""
    path = lab.containerd.state / "io.containerd.runtime.v2.task" / "k8s.io" / id_ / "config.json"
    return json.loads(path.read_text())


async def test_annotations_that_match_reach_the_runtime(node):
    """Annotations of the pod are given to all, those of a container to it, each by its patterns and no others.

    A star stops at a slash, as it does in the patterns of containerd's plugin.
    """
    annotations = {"io.pod.a": "1", "io.deep/b": "2", "io.pod.b/c": "0", "io.container.x": "of the pod", "other": "3"}
    pod = await run_pod(node, handler="told", annotations=annotations)
    container = await pod.start(annotations={"io.container.x": "4", "io.container.xy": "5", "io.pod.z": "6"})
    given = {"io.pod.a": "1", "io.deep/b": "2"}
    for id_, expected in ((pod.id, given), (container.id, given | {"io.container.x": "4"})):
        passed = bundle(node, id_)["annotations"]
        assert {name: value for name, value in passed.items() if not name.startswith("io.kubernetes.")} == expected
    await pod.remove()
    plain = await run_pod(node, annotations=annotations)
    assert not set(bundle(node, plain.id)["annotations"]) & set(annotations)
    await plain.remove()


async def test_a_base_specification(node):
    """What the file says and no request changes is there; what a request says is in its place."""
    pod = await run_pod(node, handler="based")
    assert await pod.output("ulimit -n; ulimit -Hn; pwd", working_dir="/etc") == f"{OPEN_FILES}\n{OPEN_FILES}\n/etc"
    await pod.remove()
    plain = await run_pod(node)
    assert await plain.output("ulimit -n") != str(OPEN_FILES)
    await plain.remove()


@pytest.mark.parametrize(
    ("security", "owner"),
    [
        ({"run_as_user": {"value": 1000}, "run_as_group": {"value": 33}}, "1000:33"),
        ({"run_as_user": {"value": 1000}}, "1000:0"),
        ({}, "0:0"),
    ],
)
async def test_devices_belong_to_the_user(node, security, owner):
    """A device belongs to the user and group that are asked for, else to root; the node's own stays as it is."""
    before = Path("/dev/zero").stat()
    pod = await run_pod(node)
    device = cri.Device(container_path="/dev/mine", host_path="/dev/zero", permissions="rwm")
    script = "stat -c %u:%g /dev/mine; head -c 3 /dev/mine | wc -c"
    assert (await pod.output(script, devices=[device], security=security)).split() == [owner, "3"]
    after = Path("/dev/zero").stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    await pod.remove()


async def test_limits_of_huge_pages(node):
    """With the controller a limit of huge pages is in the cgroup; without one a container that asks is refused."""
    pod = await run_pod(node)
    limits = {"hugepage_limits": [{"page_size": "2MB", "limit": 4 * MIB}]}
    files = list(ROOT.glob("*/hugetlb.2MB.*")) + list((ROOT / "hugetlb").glob("hugetlb.2MB.*"))
    if files:
        container = await pod.start(resources=limits)
        own = Path(node.cgroup_parent.strip("/"), container.id)
        name = own / "hugetlb.2MB.max" if unified() else Path("hugetlb", own, "hugetlb.2MB.limit_in_bytes")
        assert (ROOT / name).read_text().strip() == str(4 * MIB)
    else:
        _, message = await failure(pod.create(resources=limits))
        assert "no hugetlb cgroup controller" in message
    await pod.remove()


async def test_overhead_and_resources_of_the_pod_limit_nothing_by_themselves(node):
    """They describe the cgroup around the pod, which is the kubelet's: the pod's own process gets neither."""
    linux = {"overhead": {"memory_limit_in_bytes": 16 * MIB}, "resources": {"memory_limit_in_bytes": 64 * MIB}}
    pod = await run_pod(node, linux_more=linux)
    await node.client.UpdatePodSandboxResources(pod_sandbox_id=pod.id, resources={"memory_limit_in_bytes": 8 * MIB})
    spec = bundle(node, pod.id)
    assert "memory" not in spec["linux"]["resources"]
    file = "memory.max" if unified() else "memory.limit_in_bytes"
    own = ROOT / ("" if unified() else "memory") / node.cgroup_parent.strip("/")
    limit = (own / pod.id / file).read_text().strip()
    assert limit == "max" or int(limit) > 2**60
    around = (own / file).read_text().strip()
    assert around == "max" or int(around) > 2**60
    await pod.remove()
