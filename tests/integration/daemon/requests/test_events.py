"""GetContainerEvents on a real node: a pod's life as it happens."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import CriClient
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

CREATED, STARTED = cri.CONTAINER_CREATED_EVENT, cri.CONTAINER_STARTED_EVENT
STOPPED, DELETED = cri.CONTAINER_STOPPED_EVENT, cri.CONTAINER_DELETED_EVENT
LIFE = [CREATED, STARTED, STOPPED, DELETED]
# A loaded machine may be slow; what is waited for comes all the same.
PATIENCE = 60


async def subscribe(client):
    """Begin; when this returns, nothing that happens is missed."""
    call = client.stream("GetContainerEvents")
    await asyncio.wait_for(call.initial_metadata(), PATIENCE)
    return call


async def until_deleted(call, pod_id):
    """All events up to the one that says that the pod has gone."""
    seen: list[cri.ContainerEventResponse] = []
    while not (seen and seen[-1].container_id == pod_id and seen[-1].container_event_type == DELETED):
        event = await asyncio.wait_for(call.read(), PATIENCE)
        assert event is not grpc.aio.EOF
        seen.append(event)
    return seen


def by_id(seen):
    """The types of the events of each pod and container, in their order."""
    types = defaultdict(list)
    for event in seen:
        types[event.container_id].append(event.container_event_type)
    return dict(types)


def status_in(event, container_id):
    """The status of one container in an event."""
    return next(status for status in event.containers_statuses if status.id == container_id)


async def test_a_pods_life(lab):
    """Every step of a pod and its containers is reported once, in order, with the whole pod at that moment."""
    call = await subscribe(lab.client)
    pod = await run_pod(lab, labels={"app": "x"})
    short = await pod.start(command=sh("exit 3"))
    await short.ended(PATIENCE)
    steady = await pod.start()
    never = await pod.create()
    await steady.stop()
    await never.remove()
    await pod.remove()
    seen = await until_deleted(call, pod.id)
    call.cancel()
    assert by_id(seen) == {pod.id: LIFE, short.id: LIFE, steady.id: LIFE, never.id: [CREATED, DELETED]}
    assert [event.container_id for event in seen[:2]] == [pod.id, pod.id]
    times = [event.created_at for event in seen]
    assert times == sorted(set(times))
    assert abs(times[-1] - time.time_ns()) < PATIENCE * 10**9
    for event in seen:
        assert event.pod_sandbox_status.id == pod.id
        assert event.pod_sandbox_status.metadata == pod.config.metadata
        assert event.pod_sandbox_status.labels == {"app": "x"}
        own = {status.id for status in event.containers_statuses}
        assert (event.container_id in own) == (event.container_id != pod.id and event.container_event_type != DELETED)
    of_short = {event.container_event_type: event for event in seen if event.container_id == short.id}
    assert status_in(of_short[CREATED], short.id).state == cri.CONTAINER_CREATED
    assert status_in(of_short[STARTED], short.id).state == cri.CONTAINER_RUNNING
    ended = status_in(of_short[STOPPED], short.id)
    assert (ended.state, ended.exit_code, ended.reason) == (cri.CONTAINER_EXITED, 3, "Error")
    assert ended.finished_at > ended.started_at > 0
    of_pod = {event.container_event_type: event for event in seen if event.container_id == pod.id}
    assert of_pod[STARTED].pod_sandbox_status.state == cri.SANDBOX_READY
    assert of_pod[STARTED].pod_sandbox_status.network.ip
    assert of_pod[STOPPED].pod_sandbox_status.state == cri.SANDBOX_NOTREADY
    assert of_pod[DELETED].pod_sandbox_status.state == cri.SANDBOX_NOTREADY
    assert not of_pod[DELETED].containers_statuses


async def test_two_see_the_same(lab):
    """Two subscribers get the same events; a later one gets the events from its subscription on."""
    async with CriClient(lab.endpoint) as other:
        one, two = await subscribe(lab.client), await subscribe(other)
        pod = await run_pod(lab)
        container = await pod.start()
        late = await subscribe(other)
        await pod.remove()
        seen = await until_deleted(one, pod.id)
        assert await until_deleted(two, pod.id) == seen
        assert await until_deleted(late, pod.id) == seen[4:]
        assert by_id(seen) == {pod.id: LIFE, container.id: LIFE}
        for call in (one, two, late):
            call.cancel()


async def test_exits_while_the_stream_has_no_reader(lab):
    """A subscriber that reads only when all is over still gets every exit, each pod's events in order."""
    call = await subscribe(lab.client)
    pods = [await run_pod(lab) for _ in range(3)]
    containers = [await pod.start(command=sh(f"exit {code}")) for code, pod in enumerate(pods * 4)]
    for container in containers:
        await container.ended(PATIENCE)
    for pod in pods:
        await pod.remove()
    seen = await until_deleted(call, pods[-1].id)
    call.cancel()
    assert by_id(seen) == dict.fromkeys([*(pod.id for pod in pods), *(container.id for container in containers)], LIFE)
    codes = {
        event.container_id: status_in(event, event.container_id).exit_code
        for event in seen
        if event.container_event_type == STOPPED and event.container_id != event.pod_sandbox_status.id
    }
    assert codes == {container.id: code for code, container in enumerate(containers)}


async def test_a_start_that_fails(lab):
    """A container whose process cannot be started stops with its reason, and is never said to have started."""
    call = await subscribe(lab.client)
    pod = await run_pod(lab)
    container = await pod.create(command=("/no/such/program",))
    try:
        await container.start()
    except grpc.aio.AioRpcError:
        pass
    else:
        raise AssertionError("a program that does not exist was started")
    await pod.remove()
    seen = await until_deleted(call, pod.id)
    call.cancel()
    assert by_id(seen)[container.id] == [CREATED, STOPPED, DELETED]
    (stopped,) = [e for e in seen if (e.container_id, e.container_event_type) == (container.id, STOPPED)]
    assert status_in(stopped, container.id).reason == "StartError"


async def test_the_status_carries_what_events_order_by(lab):
    """PodSandboxStatus has its containers' statuses and a time that fits between the events before and after."""
    call = await subscribe(lab.client)
    pod = await run_pod(lab)
    container = await pod.start()
    status = await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id)
    (of_container,) = status.containers_statuses
    assert of_container == await container.status()
    await pod.remove()
    times = [event.created_at for event in await until_deleted(call, pod.id)]
    call.cancel()
    assert times[3] < status.timestamp < times[4]


async def test_subscriptions_end_with_the_daemon(lab):
    """SIGTERM ends subscriptions with UNAVAILABLE; the next daemon does not tell anew what was before."""
    async with CriClient(lab.endpoint) as client:
        call = await subscribe(client)
        pod = await run_pod(lab)
        assert await asyncio.to_thread(lab.bridge.stop) == 0
        await asyncio.to_thread(lab.bridge.start)
        try:
            while await asyncio.wait_for(call.read(), PATIENCE) is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert await asyncio.wait_for(call.code(), PATIENCE) == grpc.StatusCode.UNAVAILABLE
    async with CriClient(lab.endpoint) as client:
        call = await subscribe(client)
        await pod.remove()
        assert by_id(await until_deleted(call, pod.id)) == {pod.id: [STOPPED, DELETED]}
        call.cancel()
