"""A node's worth of pods: memory of the daemon at rest."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.daemon.conftest import run_pod

PODS = 105
LIMIT_KIB = 80 * 1024


@pytest.mark.timeout(600)
async def test_memory_with_105_pods(lab, nothing_left):
    """With 105 pods of one container each, after many lists and some statistics, the daemon holds less than 80 MiB."""
    await asyncio.to_thread(lab.bridge.restart)
    limit = asyncio.Semaphore(4)

    async def one():
        async with limit:
            pod = await run_pod(lab)
            await pod.start()
            return pod

    pods = await asyncio.gather(*(one() for _ in range(PODS)))
    assert len({await pod.ip() for pod in pods}) == PODS
    for _ in range(60):
        assert len((await lab.client.ListPodSandbox()).items) == PODS
        assert len((await lab.client.ListContainers()).containers) == PODS
    for _ in range(6):
        assert len((await lab.client.ListContainerStats()).stats) == PODS
        assert len((await lab.client.ListPodSandboxStats()).stats) == PODS
        assert len((await lab.client.ListPodSandboxMetrics()).pod_metrics) == PODS
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)
    assert lab.bridge.rss_kib() < LIMIT_KIB
    await asyncio.to_thread(lab.bridge.restart)
    assert len((await lab.client.ListContainers()).containers) == PODS
    assert lab.bridge.rss_kib() < LIMIT_KIB

    async def end(pod):
        async with limit:
            await pod.remove()

    await asyncio.gather(*(end(pod) for pod in pods))
