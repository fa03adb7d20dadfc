"""What a client in C sees is what the daemon bills: its own time is the front hop and the wall time, within 10 %.

The client holds the clock in a process and a language of its own, and shares nothing with the daemon but the socket
and the system's clock. Where the two disagree, something on the way is in no part of the bill.

Daemon, probe and client share one core: on which cores the kernel puts them changes a short call by more than is
allowed here, and stays as it is as long as they run. There are several rounds, each with a daemon that has just been
started and has probed its socket; what counts is their median. Where something else had the cores, there are more.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.client_share import open_client
from cri_shim.bench.endpoint.node import Node, Samples, next_name
from cri_shim.bench.endpoint.pod import START, Pod
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.endpoint.rhythm import in_words
from cri_shim.bench.verdicts import noise
from lab.measuring.proofs import keep
from tests.clients.build import MISSING, build
from tests.integration.ledger.conftest import bill, billed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.lab import Lab

pytestmark = pytest.mark.timeout(420)  # the first test waits for all rounds

AGREE = 0.10
ROUNDS, MOST_ROUNDS = 3, 5
CALLS = {0.0: 200, 0.04: 25, 1.0: 3}
"""Of a round, by the seconds of quiet before each call: how many lists."""
PODS = 3
PROBED = 8.0
"""Seconds after its start in which a daemon that is left alone has probed its socket."""
LIST = "ListPodSandbox"
NAMES = (*(f"{LIST} {in_words(period)}" for period in CALLS), *START)


Agreement = dict[str, float]
"""By what was called: front hop and wall time as a share of the client's own time, the median of a round."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agreement(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Agreement]:
    """The median of the rounds: of undisturbed ones, or of all if there are too few of those."""
    if MISSING:
        pytest.skip(MISSING)
    directory = tmp_path_factory.mktemp("foreign")
    core = min(os.sched_getaffinity(0))
    quiet: list[Agreement] = []
    disturbed: list[Agreement] = []
    async with await open_client(lab.endpoint, f"taskset -c {core} {build(directory)}") as client:
        node = Node("bridge", client, Place(lab.busybox, directory / "logs", lab.cgroup_parent))
        await node.have_image()
        while len(quiet) < ROUNDS and len(quiet) + len(disturbed) < MOST_ROUNDS:
            await _new_daemon(lab, core)
            before = await asyncio.to_thread(noise.probe)
            result = await _round(node)
            after = await asyncio.to_thread(noise.probe, 0.0)
            waited = max(before.waited, after.waited)
            print(f"something else had the cores for {waited:.0%} of the time")
            (disturbed if waited > noise.DISTURBED else quiet).append(result)
    rounds = quiet if len(quiet) == ROUNDS else [*quiet, *disturbed]
    result = {name: statistics.median(each[name] for each in rounds) for name in NAMES}
    for name, share in result.items():
        keep("client", name, round(share, 4))
    yield result
    await asyncio.to_thread(lab.bridge.restart)  # on all cores again


async def _new_daemon(lab: Lab, core: int) -> None:
    """Start the daemon anew, on one core, and leave it alone until it knows its front hop."""
    await asyncio.to_thread(_restart_on, lab, core)
    for _ in range(5):
        await asyncio.sleep(PROBED)
        _, trailer = await billed(lab, "Version")
        if bill(trailer)["front_known"] == "estimate":
            return
    pytest.fail("the daemon does not know its front hop though it was left alone")


def _restart_on(lab: Lab, core: int) -> None:
    """A thread's cores are those of the programs that it starts."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        lab.bridge.restart()
    finally:
        os.sched_setaffinity(0, every)


async def _round(node: Node) -> Agreement:
    """The lists in each rhythm, then some pods, one after the other."""
    bills = {}
    request = cri.ListPodSandboxRequest().SerializeToString()
    for period, count in CALLS.items():
        samples = Samples()
        await node.call(Samples(), LIST, request)
        for _ in range(count):
            if period:
                await asyncio.sleep(period)
            await node.call(samples, LIST, request)
        bills[f"{LIST} {in_words(period)}"] = _agreement(samples, LIST)
    samples = Samples()
    for _ in range(PODS):
        pod = Pod.of(node, next_name("foreign"))
        await pod.start(samples)
        await pod.end(Samples())
    return bills | {rpc: _agreement(samples, rpc) for rpc in START}


def _agreement(samples: Samples, rpc: str) -> float:
    """The median over the calls of an RPC; each must carry a bill whose way in is measured."""
    seen, bills = samples.values[rpc], samples.bills()[rpc]
    assert bills.front_known == {"measured": len(seen)}, rpc
    front, wall = bills.parts["front"], bills.parts["wall"]
    ratio = statistics.median((one + other) / whole for one, other, whole in zip(front, wall, seen, strict=True))
    middle = [f"{statistics.median(each):.3f}" for each in (seen, front, wall)]
    print(
        f"{rpc}, {len(seen)} calls, medians in ms: client {middle[0]}, front {middle[1]}, wall {middle[2]}: {ratio:.3f}"
    )
    return ratio


@pytest.mark.parametrize("name", NAMES)
async def test_the_clients_time_is_front_hop_and_wall_time(agreement, name):
    """Lists of nothing, nearly all front hop, in three rhythms on which that depends; and the calls of a pod start."""
    assert agreement[name] == pytest.approx(1, abs=AGREE)
