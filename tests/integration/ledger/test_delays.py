"""Five milliseconds put into one place appear as five milliseconds in one part of the bill, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import sys
import time
import urllib.request
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message_factory import GetMessageClass

from cri_shim.ledger.bill_text import KEY, parse_bill
from lab.cri_client import OPTIONS, SERVICES
from lab.faults import delayed_daemon
from lab.faults.slow_socket import SlowSocket
from lab.lab import Lab
from lab.measuring.proofs import keep
from lab.patience import patient
from lab.pod_configs import container_config, pod_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

DELAYED = 5000.0
"""Microseconds."""
OFF = 0.3
"""Share of the delay by which its part may miss it."""
ELSEWHERE = 0.3
"""Share of the delay by which any other part may change."""
LEAST, MOST = 5, 40
"""Pairs of requests, without and with the delay: a busy machine needs more until the medians are clear."""
LONGER_THAN_A_TASK = 0.3
"""Seconds that a plugin takes so that a pod waits for it and for nothing that runs beside it."""
DAEMONS = 5
"""Pairs of daemons, where each knows one delay alone."""
PARTS = ("front", "transport", "work", "queue", "world")

PLACES = {
    "step": "the event loop, within a step",
    "loop": "the event loop, between two steps",
    "hop": "the event loop, as a hop is to be sent",
}

BRIDGE = """#!/bin/sh
sleep "$(cat {seconds})"
exec /usr/lib/cni/bridge
"""


class DelayedLab(Lab):
    """A node whose daemon has a launcher of ours."""

    delay: Path

    def prepare(self) -> None:
        """Start the daemon by another command."""
        super().prepare()
        self.bridge.daemon.command = [sys.executable, "-m", delayed_daemon.__name__, *self.bridge.daemon.command[1:]]
        self.bridge.environment[delayed_daemon.DELAY] = str(self.delay)


@dataclass(slots=True)
class Node:
    """A node, with what can be made slow of it."""

    lab: Lab
    front: SlowSocket
    back: SlowSocket
    channel: grpc.aio.Channel
    delay: Path
    plugin_delay: Path

    async def bill(self, name: str, **fields: Any) -> tuple[dict[str, Any], Any]:
        """Make a call through the slow socket, with the time; its bill and its answer or error."""
        service, method = next(
            (one.full_name, method) for one in SERVICES.values() for method in one.methods if method.name == name
        )
        message = GetMessageClass(method.input_type)(**fields)
        call = self.channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=type(message).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(message, metadata=(("cri-shim-sent", str(time.time_ns())),))
        answer: Any
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            answer = error
        trailer = {key: str(value) for key, value in await call.trailing_metadata() or ()}
        return parse_bill(trailer[KEY]), answer

    def delay_inside(self, seconds: float, rpc: str, where: str, key: str = "") -> None:
        """Have requests to that RPC delayed there from now on."""
        self.delay.write_text(json.dumps({"rpc": rpc, "where": where, "key": key, "seconds": seconds}))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """One with a slow socket on either side, a slow plugin, and a daemon that can be delayed inside."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    directory = tmp_path_factory.mktemp("delays")
    plugin, plugin_delay, delay = directory / "bin" / "bridge", directory / "seconds", directory / "delay.json"
    plugin_delay.write_text("0")
    delay.write_text("{}")
    plugin.parent.mkdir()
    plugin.write_text(BRIDGE.format(seconds=plugin_delay))
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    back_path = directory / "back.sock"
    settings = {
        "containerd": {"address": str(back_path)},
        "cni": {"bin_dir": "", "bin_dirs": [str(plugin.parent), "/usr/lib/cni"]},
    }
    lab = DelayedLab("bridge", settings=settings)
    lab.delay = delay
    async with (
        SlowSocket(back_path, str(lab.directory / "containerd" / "c.sock")) as back,
        lab,
        SlowSocket(directory / "front.sock", str(lab.bridge.socket)) as front,
        grpc.aio.insecure_channel(f"unix://{front.path}", options=OPTIONS) as channel,
    ):
        yield Node(lab, front, back, channel, delay, plugin_delay)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def containers(node: Node) -> tuple[str, str]:
    """A container that was made and not started, and one that runs."""
    config = pod_config(cgroup_parent=node.lab.cgroup_parent)
    pod = (await node.lab.client.RunPodSandbox(config=config)).pod_sandbox_id
    made = []
    for name in ("made", "runs"):
        container = container_config(node.lab.busybox, name)
        answer = await node.lab.client.CreateContainer(pod_sandbox_id=pod, config=container, sandbox_config=config)
        made.append(answer.container_id)
    await node.lab.client.StartContainer(container_id=made[1])
    return made[0], made[1]


def changes(without: list[dict[str, Any]], delayed: list[dict[str, Any]]) -> dict[str, float]:
    """By how much the median of each part changed, as a share of the delay."""
    return {part: (median(b[part] for b in delayed) - median(b[part] for b in without)) / DELAYED for part in PARTS}


def wrong(changes: dict[str, float], part: str) -> dict[str, float]:
    """The parts that did not change as they ought to."""
    return {
        name: change
        for name, change in changes.items()
        if abs(change - (name == part)) > (OFF if name == part else ELSEWHERE)
    }


def keep_changes(place: str, changes: dict[str, float]) -> None:
    """For docs/price.md, in milliseconds."""
    keep("delays", place, {part: round(change * DELAYED / 1000, 3) for part, change in changes.items()})


async def appears_in(
    part: str, place: str, ask: Callable[[], Awaitable[dict[str, Any]]], delay: Callable[[float], object]
) -> dict[str, float]:
    """Ask with and without the delay in turns, until it is clear that it appears there alone, or that it does not.

    ``place`` names where the delay was put, in words.
    """
    without: list[dict[str, Any]] = []
    delayed: list[dict[str, Any]] = []
    for pair in range(1, MOST + 1):
        for seconds, bills in ((0.0, without), (DELAYED / 1e6, delayed)):
            delay(seconds)
            bills.append(await ask())
        if pair >= LEAST and not wrong(changes(without, delayed), part):
            break
    delay(0.0)
    changed = changes(without, delayed)
    print(f"{part} after {len(delayed)} pairs:", {name: round(change * DELAYED) for name, change in changed.items()})
    assert not wrong(changed, part), changed
    keep_changes(place, changed)
    return {"work_wait": median(b["work_wait"] for b in delayed) - median(b["work_wait"] for b in without)}


async def test_in_the_front_socket(node: Node) -> None:
    """The client says when it sent the request: its way in is measured."""

    async def ask() -> dict[str, Any]:
        bill, _ = await node.bill("ListPodSandbox")
        assert bill["front_known"] == "measured"
        return bill

    await appears_in("front", "the front socket", ask, lambda seconds: setattr(node.front, "seconds", seconds))


@pytest.mark.parametrize("where", PLACES)
async def test_in_the_event_loop(node: Node, containers: tuple[str, str], where: str) -> None:
    """Something else keeps it from going on: in the middle of a step, between steps, when a hop is to be sent."""

    async def ask() -> dict[str, Any]:
        return (await node.bill("UpdateContainerResources", container_id=containers[0], linux={"cpu_shares": 100}))[0]

    changed = await appears_in(
        "work", PLACES[where], ask, lambda seconds: node.delay_inside(seconds, "UpdateContainerResources", where)
    )
    assert changed["work_wait"] == pytest.approx(DELAYED, rel=OFF)  # it slept: no CPU time


async def test_in_the_limiter(node: Node, containers: tuple[str, str]) -> None:
    """All turns are taken. The container runs already; that is found out after the wait."""

    async def ask() -> dict[str, Any]:
        bill, error = await node.bill("StartContainer", container_id=containers[1])
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        return bill

    await appears_in(
        "queue",
        "the limiter of starts",
        ask,
        lambda seconds: node.delay_inside(seconds, "StartContainer", "container_starts"),
    )


async def test_in_a_lock(node: Node, containers: tuple[str, str]) -> None:
    """Another request has it."""

    async def ask() -> dict[str, Any]:
        return (await node.bill("UpdateContainerResources", container_id=containers[0], linux={"cpu_shares": 100}))[0]

    await appears_in(
        "queue",
        "a container's lock",
        ask,
        lambda seconds: node.delay_inside(seconds, "UpdateContainerResources", "lock", containers[0]),
    )


async def test_in_a_plugin(node: Node) -> None:
    """CNI ADD takes longer, and always so long that nothing else is waited for: the start of a task runs beside it."""

    async def ask() -> dict[str, Any]:
        bill, pod = await node.bill("RunPodSandbox", config=pod_config(cgroup_parent=node.lab.cgroup_parent))
        node.plugin_delay.write_text("0")
        await node.lab.client.StopPodSandbox(pod_sandbox_id=pod.pod_sandbox_id)
        await node.lab.client.RemovePodSandbox(pod_sandbox_id=pod.pod_sandbox_id)
        return bill

    await appears_in(
        "world", "a CNI plugin", ask, lambda seconds: node.plugin_delay.write_text(str(LONGER_THAN_A_TASK + seconds))
    )


async def test_in_a_plugin_that_outlives_its_request(node: Node) -> None:
    """A client that gives up has waited for the plugin, not for the daemon."""
    for patience in (1, 3, 9):  # a busy machine is slow to reach the plugin
        given_up = await given_up_after(node, patience)
        bill = given_up["bill"]
        if bill["helpers_ms"] > bill["wall_ms"] / 2:
            break
    assert given_up["code"] == "CANCELLED"
    assert [(helper["name"], helper["exit_code"]) for helper in given_up["helpers"]] == [("bridge", None)]
    assert bill["world_ms"] >= bill["helpers_ms"] > bill["wall_ms"] / 2
    assert bill["work_ms"] + bill["transport_ms"] < bill["wall_ms"] / 2


async def given_up_after(node: Node, patience: float) -> dict[str, Any]:
    """The record of a pod's start whose client hangs up while a plugin takes twice as long."""
    node.plugin_delay.write_text(str(2 * patience))
    config = pod_config(cgroup_parent=node.lab.cgroup_parent)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.lab.client.RunPodSandbox(config=config), patience)
    async with asyncio.timeout(patient(10)):
        while (given_up := await asyncio.to_thread(newest, node, "RunPodSandbox"))["running"]:
            await asyncio.sleep(0.05)
    node.plugin_delay.write_text("0")
    pod = (await node.lab.client.RunPodSandbox(config=config)).pod_sandbox_id  # joins what goes on
    await node.lab.client.StopPodSandbox(pod_sandbox_id=pod)
    await node.lab.client.RemovePodSandbox(pod_sandbox_id=pod)
    return given_up


async def test_in_the_back_socket(node: Node, containers: tuple[str, str]) -> None:
    """Null calls are as late as all others: each hop has it once. A daemon knows one delay alone, from its start."""
    without: list[dict[str, Any]] = []
    delayed: list[dict[str, Any]] = []
    for _ in range(DAEMONS):
        for seconds, bills in ((0.0, without), (DELAYED / 1e6, delayed)):
            node.back.seconds = seconds
            await asyncio.to_thread(node.lab.bridge.restart)
            await null_calls_made(node)
            asked = [
                (await node.bill("UpdateContainerResources", container_id=containers[0], linux={"cpu_shares": 100}))[0]
                for _ in range(11)
            ]
            bills.extend(asked[1:])
        change = changes(without, delayed)
        hops = {bill["hop_count"] for bill in (*without, *delayed)}
        change["transport"] /= max(hops)
        print(f"back after {len(delayed)} pairs, each of {hops} hops:", change)
        if not wrong(change, "transport"):
            break
    node.back.seconds = 0.0
    assert len(hops) == 1
    assert not wrong(change, "transport"), change
    keep_changes("the back socket, for each hop", change)


async def null_calls_made(node: Node) -> None:
    """Wait for the first ones of a daemon that has just been started."""
    async with asyncio.timeout(patient(30)):
        while (await asyncio.to_thread(read, node, "node"))["null_hop_ms"] is None:
            await asyncio.sleep(0.1)


def newest(node: Node, rpc: str) -> dict[str, Any]:
    """The record of the newest request to that RPC."""
    (one,) = read(node, f"requests?method={rpc}&limit=1")["requests"]
    return read(node, f"requests/{one['id']}")


def read(node: Node, what: str) -> dict[str, Any]:
    """What the daemon's listener says."""
    address = (node.lab.bridge.state / "http-address").read_text().strip()
    with urllib.request.urlopen(f"http://{address}/api/{what}", timeout=30) as response:
        record: dict[str, Any] = json.load(response)
        return record
