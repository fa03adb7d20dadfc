"""The event bus: no event is lost between on_open and the first one, and a restart of containerd is survived."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import Containerd, InvalidArgument, Unavailable
from containerd_client.api.containerd.events import events_pb2

SOMETHING = AnyMessage(type_url="google.protobuf.Empty")


async def test_what_is_published_from_on_open_arrives(client):
    """Fifty times over: the subscription really stands when on_open is called."""
    for number in range(50):
        topic = f"/gap/{number}"

        async def publish(topic: str = topic) -> None:
            await client.events.publish(topic, SOMETHING)

        async with (
            asyncio.timeout(5),
            aclosing(client.events.subscribe(f'topic=="{topic}"', on_open=publish)) as events,
        ):
            envelope = await anext(events)
        assert (envelope.topic, envelope.namespace) == (topic, client.namespace)


async def test_events_before_on_open_are_kept_in_order_and_the_probe_stays_hidden(client):
    """What came while on_open worked follows afterwards, without the probe, filters or none."""
    topics: list[str] = []

    async def publish() -> None:
        for number in range(20):
            await client.events.publish(f"/many/{number}", SOMETHING)

    async with asyncio.timeout(5), aclosing(client.events.forever(on_open=publish)) as events:
        async for envelope in events:
            topics.append(envelope.topic)
            if len(topics) == 20:
                break
    assert topics == [f"/many/{number}" for number in range(20)]


async def test_events_carry_their_message(client):
    """containerd's own events unpack with the generated classes."""

    async def create() -> None:
        await client.namespaces.create("seen-by-events", {"a": "b"})

    filters = ('topic=="/namespaces/create"', 'topic=="/never"')
    async with asyncio.timeout(5), aclosing(client.events.subscribe(*filters, on_open=create)) as events:
        envelope = await anext(events)
    assert envelope.event.type_url == "containerd.events.NamespaceCreate"
    assert events_pb2.NamespaceCreate.FromString(envelope.event.value).name == "seen-by-events"


async def test_a_malformed_filter_ends_forever(client):
    """Trying again does not cure it."""
    with pytest.raises(InvalidArgument):
        async with asyncio.timeout(5), aclosing(client.events.forever("topic=====")) as events:
            await anext(events)


async def test_a_failing_on_open_is_a_break(client):
    """If the re-read fails because containerd goes away again, the subscription is made again."""
    opened: list[float] = []

    async def open_badly_once() -> None:
        opened.append(monotonic())
        if len(opened) == 1:
            raise Unavailable("m", "went away during the re-read")
        await client.events.publish("/after", SOMETHING)

    async with asyncio.timeout(5), aclosing(client.events.forever(on_open=open_badly_once)) as events:
        assert (await anext(events)).topic == "/after"
    assert len(opened) == 2


async def test_cancelling_a_subscription_leaves_nothing_in_flight(client):
    """The consumer of events is a task that is cancelled at the end of the daemon."""
    opened = asyncio.Event()

    async def on_open() -> None:
        opened.set()

    async def consume() -> None:
        async for _ in client.events.forever(on_open=on_open):
            pass

    task = asyncio.create_task(consume())
    async with asyncio.timeout(5):
        await opened.wait()
    assert "1 calls in flight" in repr(client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert "0 calls in flight" in repr(client)


@pytest.mark.parametrize("way", ["kill9", "restart"])
async def test_forever_survives_a_restart(own, way):
    """Killed or restarted in order: on_lost, a new subscription, on_open again, and nothing after it is missed."""
    opened: list[float] = []
    lost: list[Exception] = []
    topics: list[str] = []

    async def on_open() -> None:
        opened.append(monotonic())
        await client.events.publish(f"/opened/{len(opened)}", SOMETHING)

    async def consume() -> None:
        async for envelope in client.events.forever('topic~="^/opened/"', on_open=on_open, on_lost=lost.append):
            topics.append(envelope.topic)  # noqa: PERF401 - it never ends

    async def until(count: int, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while len(topics) < count:
                await asyncio.sleep(0.02)

    async with Containerd(own.address, namespace="n") as client:
        task = asyncio.create_task(consume())
        await until(1, 5)
        if way == "kill9":
            await own.kill9()
            await asyncio.sleep(own.away_seconds)
            await own.start()
        else:
            await own.restart(own.away_seconds)
        await until(2, 6)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert topics == ["/opened/1", "/opened/2"]
    assert lost


async def test_a_subscription_ends_with_unavailable(own):
    """``subscribe`` is one subscription: it says when it broke."""
    async with Containerd(own.address, namespace="n") as client:

        async def kill() -> None:
            await own.kill9()

        with pytest.raises(Unavailable):
            async for _ in client.events.subscribe(on_open=kill):
                pass
