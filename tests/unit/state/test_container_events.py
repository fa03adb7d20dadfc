"""Subscribers get every change of the stores with the whole pod, each at its own pace and within bounds."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import ResourceExhaustedError, UnavailableError
from cri_shim.state.container_events import Events
from cri_shim.state.containers import Container, Status, exited
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.state.transitions import CREATED, DELETED, STARTED, STOPPED
from cri_shim.sync.event_reader import EventReader


class Stores:
    """Both stores and what watches them."""

    def __init__(self):
        self.sandboxes: Index[Sandbox] = Index("sandbox")
        self.containers: Index[Container] = Index("container")
        self.events = Events(self.sandboxes, self.containers)

    def run_pod(self, id_="s"):
        self.sandboxes.put(Sandbox(id_, id_, cri.PodSandboxConfig(), 1, pid=5, cni_result={}))

    def create(self, id_, sandbox_id="s"):
        self.containers.put(Container(id_, id_, sandbox_id, cri.ContainerConfig(), Status(created_at=1), "i"))


async def read(subscription, count):
    return [await asyncio.wait_for(anext(subscription), 10) for _ in range(count)]


async def test_a_life_in_order_for_two():
    """Two subscribers see the same life, in order, at rising times, with all containers of the pod as they were."""
    stores = Stores()
    one, two = EventReader(stores.events), EventReader(stores.events)
    stores.run_pod()
    stores.create("a")
    stores.create("b")
    stores.containers.update("a", lambda c: c.with_status(started_at=2))
    stores.containers.update("a", exited(3, 4))
    stores.containers.drop("a")
    stores.sandboxes.update("s", lambda s: s.replace(pid=0, exited_at=9))
    stores.containers.drop("b")
    stores.sandboxes.drop("s")
    seen = await read(one, 10)
    assert seen == await read(two, 10)
    assert [(event.id, event.type, [c.id for c in event.containers]) for event in seen] == [
        ("s", CREATED, []),
        ("s", STARTED, []),
        ("a", CREATED, ["a"]),
        ("b", CREATED, ["a", "b"]),
        ("a", STARTED, ["a", "b"]),
        ("a", STOPPED, ["a", "b"]),
        ("a", DELETED, ["b"]),
        ("s", STOPPED, ["b"]),
        ("b", DELETED, []),
        ("s", DELETED, []),
    ]
    assert all(event.sandbox.id == "s" for event in seen)
    assert [event.sandbox.ready for event in seen] == [True] * 7 + [False] * 3
    assert seen[4].containers[0].running
    assert seen[5].containers[0].status.exit_code == 3
    times = [event.at_ns for event in seen]
    assert times == sorted(set(times))


async def test_only_from_the_subscription_on():
    """What was before is not told, and after closing nothing is kept for the subscriber."""
    stores = Stores()
    stores.run_pod()
    subscription = EventReader(stores.events)
    stores.create("a")
    assert [event.id for event in await read(subscription, 1)] == ["a"]
    subscription.close()
    assert len(stores.events) == 0
    subscription.close()


async def test_who_is_too_slow_is_given_up_alone():
    """Beyond its bound a subscriber is ended and its events are freed; the other one misses nothing."""
    stores = Stores()
    stores.run_pod()
    slow, quick = EventReader(stores.events, limit=3), EventReader(stores.events)
    for number in range(5):
        stores.create(f"c{number}")
    with pytest.raises(ResourceExhaustedError, match="3 events behind"):
        await anext(slow)
    assert [event.id for event in await read(quick, 5)] == ["c0", "c1", "c2", "c3", "c4"]
    assert len(stores.events) == 1


async def test_the_daemons_end_ends_it():
    """At the daemon's end a subscriber reads what waits and is then told why it ends, also if it is waiting."""
    stores = Stores()
    stores.run_pod()
    behind, waiting = EventReader(stores.events), EventReader(stores.events)
    stores.create("a")
    await read(waiting, 1)
    asked = asyncio.create_task(anext(waiting))
    await asyncio.sleep(0)
    stores.events.close()
    with pytest.raises(UnavailableError, match="shutting down"):
        await asyncio.wait_for(asked, 10)
    assert [event.id for event in await read(behind, 1)] == ["a"]
    with pytest.raises(UnavailableError):
        await anext(behind)
    assert len(stores.events) == 0


async def test_a_cancelled_reader_loses_nothing():
    """Cancelling a wait takes no event away, and is not swallowed."""
    stores = Stores()
    stores.run_pod()
    subscription = EventReader(stores.events)
    asked = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    stores.create("a")
    assert [event.id for event in await read(subscription, 1)] == ["a"]


async def test_a_container_without_its_pod():
    """A container whose pod is unknown, or no id at all, has neither pod nor containers in its events."""
    stores = Stores()
    stores.run_pod("s1")
    stores.run_pod("s2")
    subscription = EventReader(stores.events)
    stores.create("a", sandbox_id="s")
    stores.create("b", sandbox_id="")
    assert [(event.sandbox, event.containers) for event in await read(subscription, 2)] == [(None, ())] * 2


async def test_a_pod_that_vanished_is_reported_as_not_ready():
    """A pod whose record somebody removed while it ran is stopped and deleted, and not said to be ready."""
    stores = Stores()
    stores.run_pod()
    subscription = EventReader(stores.events)
    stores.sandboxes.drop("s")
    seen = await read(subscription, 2)
    assert [(event.type, event.sandbox.ready) for event in seen] == [(STOPPED, False), (DELETED, False)]
