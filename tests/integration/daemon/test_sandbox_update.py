"""UpdatePodSandboxResources: written down for good."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.integration.daemon.conftest import run_pod


async def linux_config(lab, pod):
    """The pod's stored configuration, as the verbose status shows it."""
    response = await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)
    return json.loads(response.info["info"])["config"]["linux"]


async def test_it_outlives_the_daemon(lab):
    """Resources and overhead are in the pod's configuration, also after a restart; what is not set stays."""
    pod = await run_pod(lab)
    resources = {"cpu_quota": 50_000, "cpu_period": 100_000, "memory_limit_in_bytes": 64 << 20}
    await lab.client.UpdatePodSandboxResources(
        pod_sandbox_id=pod.id, resources=resources, overhead={"memory_limit_in_bytes": 1 << 20}
    )
    await lab.client.UpdatePodSandboxResources(pod_sandbox_id=pod.id[:12], overhead={"cpu_shares": 20})
    for _ in range(2):
        linux = await linux_config(lab, pod)
        assert linux["resources"] == resources
        assert linux["overhead"] == {"cpu_shares": 20}
        assert linux["cgroup_parent"] == lab.cgroup_parent
        await asyncio.to_thread(lab.bridge.restart)
    status = await pod.status()
    assert status.state == cri.SANDBOX_READY
    assert status.network.ip
    container = await pod.start()
    assert (await container.status()).state == cri.CONTAINER_RUNNING


@pytest.mark.parametrize(("known", "code"), [(False, "NOT_FOUND"), (True, "FAILED_PRECONDITION")])
async def test_it_is_refused(lab, known, code):
    """An unknown pod is not found, and one that is stopped is in the wrong state."""
    pod = await run_pod(lab)
    await pod.stop()
    id_ = pod.id if known else "f" * 64
    status, text = await failure(lab.client.UpdatePodSandboxResources(pod_sandbox_id=id_, resources={"cpu_shares": 2}))
    assert status == grpc.StatusCode[code]
    assert id_ in text
