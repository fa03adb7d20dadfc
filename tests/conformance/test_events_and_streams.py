"""GetContainerEvents, the streaming lists, and the requests that came late to the CRI."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tarfile
from pathlib import Path

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.patience import patient
from lab.pod_configs import sh

CREATED, STARTED = cri.CONTAINER_CREATED_EVENT, cri.CONTAINER_STARTED_EVENT
STOPPED, DELETED = cri.CONTAINER_STOPPED_EVENT, cri.CONTAINER_DELETED_EVENT
PATIENCE = patient(30)


@pytest.mark.plugin_differs("1.6 knows no events", before="1.7")
@pytest.mark.proves("RuntimeService.GetContainerEvents")
async def test_events_of_a_container(client, node):
    """Events of a container come in order, each with the status of that moment."""
    call = client.stream("GetContainerEvents")
    seen: list[cri.ContainerEventResponse] = []

    async def listen():
        while (event := await call.read()) is not grpc.aio.EOF:
            seen.append(event)

    listening = asyncio.create_task(listen())
    try:
        # The plugin sends nothing, not even headers, before the first event.
        await asyncio.sleep(1)
        pod = await node.run()
        container = await pod.start(command=sh("exit 3"))
        await container.ended()
        await container.remove()
        async with asyncio.timeout(PATIENCE):
            while not [e for e in seen if (e.container_id, e.container_event_type) == (container.id, DELETED)]:
                assert not listening.done(), listening.exception()
                await asyncio.sleep(0.05)
    finally:
        call.cancel()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await listening
    own = [event for event in seen if event.container_id == container.id]
    assert [event.container_event_type for event in own] == [CREATED, STARTED, STOPPED, DELETED]
    assert {event.pod_sandbox_status.id for event in own[:3]} == {pod.id}
    (ended,) = [status for status in own[2].containers_statuses if status.id == container.id]
    assert (ended.state, ended.exit_code) == (cri.CONTAINER_EXITED, 3)


async def streamed(client, name, field, **request):
    """All items of a stream, which ends by itself."""
    async with asyncio.timeout(PATIENCE):
        return [item async for message in client.stream(name, **request) for item in getattr(message, field)]


@pytest.mark.plugin_differs("the plugin streams no lists up to 2.1")
@pytest.mark.proves(
    "RuntimeService.StreamPodSandboxes",
    "RuntimeService.StreamContainers",
    "RuntimeService.StreamContainerStats",
    "RuntimeService.StreamPodSandboxStats",
    "RuntimeService.StreamPodSandboxMetrics",
    "ImageService.StreamImages",
)
async def test_streaming_lists_say_what_the_lists_say(client, node):
    """Each stream has the items of its list, and only those that its filter lets through."""
    pod, other = await node.run(labels={"of": "streams"}), await node.run()
    container = await pod.start(labels={"of": "streams"})
    wanted = {"label_selector": {"of": "streams"}}
    assert await streamed(client, "StreamPodSandboxes", "pod_sandboxes") == list((await client.ListPodSandbox()).items)
    items = await streamed(client, "StreamPodSandboxes", "pod_sandboxes", filter=wanted)
    assert [item.id for item in items] == [pod.id]
    assert await streamed(client, "StreamContainers", "containers") == list((await client.ListContainers()).containers)
    items = await streamed(client, "StreamContainers", "containers", filter=wanted)
    assert [item.id for item in items] == [container.id]
    items = await streamed(client, "StreamContainerStats", "container_stats", filter=wanted)
    assert [stats.attributes.id for stats in items] == [container.id]
    items = await streamed(client, "StreamPodSandboxStats", "pod_sandbox_stats", filter=wanted)
    assert [stats.attributes.id for stats in items] == [pod.id]
    items = await streamed(client, "StreamPodSandboxMetrics", "pod_sandbox_metrics")
    assert {pod.id, other.id} <= {metrics.pod_sandbox_id for metrics in items}
    items = await streamed(client, "StreamImages", "images")
    assert items == list((await client.ListImages()).images)
    assert [image for image in items if node.image in image.repo_tags]


@pytest.mark.plugin_differs("1.x has no RuntimeConfig", before="2.0")
@pytest.mark.proves("RuntimeService.RuntimeConfig")
async def test_the_cgroup_driver_is_reported(client, node):
    """The driver is the one in whose form the containers' cgroups are named, as the node sees them."""
    pod = await node.run()
    container = await pod.start()
    status = await client.ContainerStatus(container_id=container.id, verbose=True)
    shown = Path(f"/proc/{json.loads(status.info['info'])['pid']}/cgroup").read_text()
    assert container.id in shown
    driver = (await client.RuntimeConfig()).linux.cgroup_driver
    assert driver == (cri.SYSTEMD if f"{container.id}.scope" in shown else cri.CGROUPFS)


@pytest.mark.plugin_differs("the plugin has no UpdatePodSandboxResources up to 2.1")
@pytest.mark.proves("RuntimeService.UpdatePodSandboxResources")
async def test_resources_of_a_pod_are_changed(client, node):
    """New resources of a pod are taken while it is ready, and refused for one that is not there."""
    pod = await node.run()
    await client.UpdatePodSandboxResources(pod_sandbox_id=pod.id, resources={"cpu_shares": 512}, overhead={})
    code, _ = await failure(client.UpdatePodSandboxResources(pod_sandbox_id="0" * 64, resources={"cpu_shares": 512}))
    assert code == grpc.StatusCode.NOT_FOUND


@pytest.mark.plugin_differs("1.x has no CheckpointContainer", before="2.0")
@pytest.mark.proves("RuntimeService.CheckpointContainer")
async def test_a_checkpoint(client, pod, tmp_path):
    """A checkpoint is an archive, or where criu is missing a refusal that says so; the container runs on either way."""
    container = await pod.start()
    archive = tmp_path / "checkpoint.tar"
    try:
        await client.CheckpointContainer(container_id=container.id, location=str(archive), timeout=30)
    except grpc.aio.AioRpcError as error:
        assert "criu" in (error.details() or "").lower()
        assert not archive.exists()
    else:
        assert tarfile.is_tarfile(archive)
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    code, _ = await failure(client.CheckpointContainer(container_id="0" * 64, location=str(tmp_path / "none.tar")))
    assert code == grpc.StatusCode.NOT_FOUND
