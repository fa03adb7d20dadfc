"""The streaming lists give what the lists give, in batches."""

from __future__ import annotations

import asyncio
from itertools import chain

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

CONTAINERS = 105
PATIENCE = 60


async def streamed(lab, name, field, **request):
    """The batches of a stream, which must end by itself."""

    async def read():
        return [list(getattr(message, field)) async for message in lab.client.stream(name, **request)]

    batches = await asyncio.wait_for(read(), PATIENCE)
    assert all(batches)
    return batches


async def flat(lab, name, field, **request):
    """The items of a stream."""
    return list(chain.from_iterable(await streamed(lab, name, field, **request)))


async def test_105_containers_in_batches(lab):
    """105 containers come in several messages, each once, in the order and form of the list."""
    pod = await run_pod(lab)
    limit = asyncio.Semaphore(4)

    async def create(number):
        async with limit:
            await pod.create(f"c{number}", labels={"half": str(number % 2)})

    await asyncio.gather(*(create(number) for number in range(CONTAINERS)))
    batches = await streamed(lab, "StreamContainers", "containers")
    assert len(batches) > 1
    entries = list((await lab.client.ListContainers()).containers)
    assert len(entries) == CONTAINERS
    assert list(chain.from_iterable(batches)) == entries
    half = cri.ContainerFilter(label_selector={"half": "1"}, pod_sandbox_id=pod.id)
    some = await flat(lab, "StreamContainers", "containers", filter=half)
    assert some == list((await lab.client.ListContainers(filter=half)).containers)
    assert len(some) == CONTAINERS // 2
    stats = await streamed(lab, "StreamContainerStats", "container_stats")
    assert len(stats) > 1
    assert [one.attributes.id for one in chain.from_iterable(stats)] == [one.id for one in entries]


async def test_pods_statistics_metrics_and_images(lab):
    """Every other stream has the items of its list, and its filter."""
    first = await run_pod(lab, labels={"app": "a"})
    second = await run_pod(lab, labels={"app": "b"})
    running = [await pod.start(command=sh("exec sleep 3600")) for pod in (first, second)]
    pods = await flat(lab, "StreamPodSandboxes", "pod_sandboxes")
    assert pods == list((await lab.client.ListPodSandbox()).items)
    assert {pod.id for pod in pods} == {first.id, second.id}
    only = {"label_selector": {"app": "b"}}
    assert [pod.id for pod in await flat(lab, "StreamPodSandboxes", "pod_sandboxes", filter=only)] == [second.id]
    of_pods = await flat(lab, "StreamPodSandboxStats", "pod_sandbox_stats")
    assert {stats.attributes.id for stats in of_pods} == {first.id, second.id}
    assert all(stats.linux.HasField("memory") for stats in of_pods)
    (of_second,) = await flat(lab, "StreamPodSandboxStats", "pod_sandbox_stats", filter=only)
    assert of_second.attributes.id == second.id
    (of_one,) = await flat(lab, "StreamContainerStats", "container_stats", filter={"pod_sandbox_id": first.id})
    assert of_one.attributes.id == running[0].id
    assert of_one.HasField("memory")
    metrics = await flat(lab, "StreamPodSandboxMetrics", "pod_sandbox_metrics")
    assert {pod.pod_sandbox_id for pod in metrics} == {first.id, second.id}
    assert all(pod.container_metrics for pod in metrics)
    images = await flat(lab, "StreamImages", "images")
    assert images == list((await lab.client.ListImages()).images)
    assert images
    named = await flat(lab, "StreamImages", "images", filter={"image": {"image": lab.busybox}})
    assert [image.id for image in named] == [image.id for image in images if lab.busybox in image.repo_tags]


async def test_nothing_is_an_empty_stream(lab):
    """Where the list is empty, the stream ends without a message."""
    for name, field in (
        ("StreamPodSandboxes", "pod_sandboxes"),
        ("StreamContainers", "containers"),
        ("StreamContainerStats", "container_stats"),
        ("StreamPodSandboxStats", "pod_sandbox_stats"),
        ("StreamPodSandboxMetrics", "pod_sandbox_metrics"),
    ):
        assert await streamed(lab, name, field) == []
    assert await streamed(lab, "StreamImages", "images", filter={"image": {"image": "no.such/image:1"}}) == []
