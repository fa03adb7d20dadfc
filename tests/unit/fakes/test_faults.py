"""Faults strike at the call they name, and at no other."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import Containerd, DeadlineExceeded, NotFound, Unavailable, Unimplemented, Unknown, call_options
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from tests.fakes.containerd import FakeContainerd, FaultKind


@pytest.fixture
async def fake(tmp_path):
    async with FakeContainerd(tmp_path / "c.sock") as fake:
        yield fake


@pytest.fixture
async def client(fake):
    async with Containerd(fake.address, namespace="k8s.io") as client:
        yield client


def record(id_: str) -> containers_pb2.Container:
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    return containers_pb2.Container(id=id_, runtime=runtime, spec=AnyMessage(type_url="x", value=b"{}"))


def codes(fake: FakeContainerd, method: str) -> list[str]:
    return [call.code for call in fake.called(method)]


async def made(client: Containerd, id_: str) -> None:
    await client.containers.create(record(id_))
    await client.tasks.create(id_)


async def test_unknown_at_the_second_call_only(fake, client):
    """The call that it strikes is not done, the ones around it are."""
    fake.faults.add("Tasks/Kill", FaultKind.UNKNOWN, nth=2, text="runc did not like it")
    await made(client, "c")
    await client.tasks.start("c")
    await client.tasks.kill("c", 0)
    with pytest.raises(Unknown, match="runc did not like it"):
        await client.tasks.kill("c", 15)
    await client.tasks.kill("c", 0)
    assert fake.task("c").init.signals == [0, 0]
    assert codes(fake, "Tasks/Kill") == ["OK", "UNKNOWN", "OK"]


async def test_unavailable_is_not_done(fake, client):
    """The client repeats, and its repeat succeeds; a fault without an end outlasts the repeats."""
    fake.faults.add("Containers/Create", FaultKind.UNAVAILABLE)
    await client.containers.create(record("c"))
    assert codes(fake, "Containers/Create") == ["UNAVAILABLE", "OK"]
    fake.faults.add("Containers/Delete", FaultKind.UNAVAILABLE, times=None)
    # The time can also pass in the middle of a repeat.
    with call_options(timeout=0.2), pytest.raises((Unavailable, DeadlineExceeded)):
        await client.containers.delete("c")
    assert set(codes(fake, "Containers/Delete")) <= {"UNAVAILABLE"}
    fake.faults.clear()
    await client.containers.delete("c")


async def test_a_lost_answer_was_done(fake, client):
    """The client looks, and finds what its first attempt made."""
    fake.faults.add("Containers/Create", FaultKind.ANSWER_LOST)
    await client.containers.create(record("c"))
    (create,) = fake.called("Containers/Create")
    assert (create.code, create.done) == ("UNAVAILABLE", True)
    assert codes(fake, "Containers/Get") == ["OK"]


async def test_any_unary_counts_hops_and_no_streams(fake, client):
    """``*`` is the n-th hop of whatever method."""
    fault = fake.faults.add("*", FaultKind.UNKNOWN, nth=3)
    await client.containers.create(record("c"))
    await client.containers.list()
    await client.containers.get("c")
    with pytest.raises(Unknown):
        await client.containers.delete("c")
    assert (fault.seen, fault.struck) == (3, 1)
    assert "c" in fake.state["k8s.io"].containers


async def test_a_call_hangs_until_it_is_released(fake, client):
    """It is done then; one whose client hangs up is not."""
    fake.faults.add("Containers/Create", FaultKind.HANG, times=None)
    first = asyncio.create_task(client.containers.create(record("a")))
    second = asyncio.create_task(client.containers.create(record("b")))
    async with asyncio.timeout(20):
        while fake.faults.hanging < 2:
            await asyncio.sleep(0.001)
    second.cancel()
    await asyncio.wait({second})
    async with asyncio.timeout(20):
        while fake.faults.hanging > 1:
            await asyncio.sleep(0.001)
    assert not fake.state["k8s.io"].containers
    fake.release()
    await first
    assert list(fake.state["k8s.io"].containers) == ["a"]
    assert sorted(codes(fake, "Containers/Create")) == ["CANCELLED", "OK"]


async def test_a_late_answer_is_done_before(fake, client):
    """The work is there while the client still waits."""
    fake.faults.add("Containers/Create", FaultKind.LATE, seconds=60)
    late = asyncio.create_task(client.containers.create(record("c")))
    async with asyncio.timeout(20):
        while "c" not in fake.state["k8s.io"].containers:
            await asyncio.sleep(0.001)
    assert not late.done()
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    fake.faults.add("Containers/Delete", FaultKind.LATE, seconds=0.01)
    await client.containers.delete("c")


async def test_gone_breaks_everything_and_keeps_the_state(fake, client):
    """Calls under way, streams and the socket; a task that ran runs when the daemon is back."""
    await made(client, "c")
    await client.tasks.start("c")
    waiting = asyncio.create_task(client.tasks.wait("c"))
    lost: list[Exception] = []
    opened = asyncio.Event()

    async def on_open() -> None:
        opened.set()

    async def follow() -> None:
        async for _ in client.events.forever(on_open=on_open, on_lost=lost.append):
            pass

    following = asyncio.create_task(follow())
    await opened.wait()
    opened.clear()
    fake.faults.add("Containers/Get", FaultKind.GONE)
    with pytest.raises(Unavailable, match="refused"):
        await client.containers.get("c")
    with pytest.raises(Unavailable):
        await waiting
    assert lost
    await fake.come_back()
    async with asyncio.timeout(10):
        await opened.wait()
    following.cancel()
    await asyncio.wait({following})
    assert (await client.tasks.get("c")).pid == fake.task("c").init.pid


async def test_what_is_not_built_is_unimplemented(fake, client):
    """As gRPC answers for a containerd that lacks it."""
    with pytest.raises(Unimplemented, match=r"unknown service containerd\.services\.transfer\.v1\.Transfer"):
        await client.transfer.transfer(AnyMessage(), AnyMessage())
    with pytest.raises(Unimplemented, match="unknown method PluginInfo for service"):
        await client.introspection.plugin_info("io.containerd.runtime.v2", "task")


async def test_calls_are_recorded(fake, client):
    """With request, header, order, times and what was answered."""
    await client.containers.create(record("c"))
    async with client.leases.hold():
        with pytest.raises(NotFound):
            await client.containers.get("nobody")
    create, lease, get, _ = fake.calls
    assert [call.order for call in fake.calls] == [0, 1, 2, 3]
    assert (create.method, create.namespace, create.code) == ("Containers/Create", "k8s.io", "OK")
    assert create.started <= create.ended <= lease.started
    assert get.lease.startswith("client-")
    assert get.text == 'container "nobody" in namespace "k8s.io": not found'


async def test_the_shim_of_a_task_dies(fake, client):
    """A wait that was pending gets ttrpc's words; the task is gone, with the events of its end."""
    await made(client, "c")
    waiting = asyncio.create_task(client.tasks.wait("c"))
    async with asyncio.timeout(20):
        while not fake.called("Tasks/Wait"):
            await asyncio.sleep(0.001)
    fake.kill_shim("c")
    with pytest.raises(Unknown, match="ttrpc: closed"):
        await waiting
    assert fake.bus.topics()[-2:] == ["/tasks/exit", "/tasks/delete"]
    with pytest.raises(NotFound):
        await client.tasks.get("c")
