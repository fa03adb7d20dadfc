"""The node of these tests, and the pods that they run on it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from lab.lab import Lab
from tests.guest.kubelet.pod_cgroups import PodCgroup
from tests.guest.kubelet.pods import NODE, KubeletPod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.guest.kubelet.pods import Class


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A node with the cgroups of a kubelet."""
    async with Lab("bridge", settings={"runtime": {"disable_hugetlb_controller": False}}) as node:
        for qos, limits in NODE.items():
            PodCgroup.of_class(qos).make(limits)
        yield node
    for qos in reversed(NODE):
        PodCgroup.of_class(qos).remove()


@pytest_asyncio.fixture(loop_scope="session")
async def run(lab: Lab) -> AsyncIterator[Callable[..., Awaitable[KubeletPod]]]:
    """Run pods that are removed after the test, with their cgroups."""
    pods: list[KubeletPod] = []

    async def run_pod(qos: Class, **more: Any) -> KubeletPod:
        pods.append(await KubeletPod.run(lab, qos, **more))
        return pods[-1]

    yield run_pod
    for pod in reversed(pods):  # a pod that was added again has the cgroup of the one before
        await pod.remove()
        shutil.rmtree(lab.logs / pod.pod.config.metadata.uid, ignore_errors=True)
        assert not pod.cgroup.directory.exists()
