"""Runs whose numbers were made up, for tests of what is said about them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from cri_shim.bench.order import order_of_round
from cri_shim.bench.results.schema import (
    SCHEMA,
    Bills,
    Machine,
    Metric,
    Parity,
    Probe,
    Process,
    Round,
    Run,
    Side,
    SideRun,
    Step,
)

MACHINE = Machine("Linux 6", "Debian 12", "a CPU", 2, 8192, "v1", "boot-1", "runc 1.1.5", "3.11.7", "1.85", "asyncio")
QUIET, BUSY = Probe(12.0, 0.01, 0.2), Probe(12.0, 0.6, 9.0)
SIDES = (
    Side("plugin", "unix:///p.sock", "containerd 1.6.20", (Process("containerd", 10, "containerd 1.6.20"),), "{}"),
    Side(
        "bridge",
        "unix:///b.sock",
        "cri-shim 0.1.0",
        (Process("cri-shim", 20), Process("containerd", 21, "containerd 1.6.20")),
        "{}",
    ),
)
OLD_BILL = {
    "wall": 8.0,
    "own": 1.0,
    "hops": 6.0,
    "hops_sum": 12.0,
    "helpers": 3.0,
    "daemon": 9.0,
    "transport": 3.0,
    "extra": 4.0,
    "awaited": 0.0,
    "hop_count": 5.0,
    "helper_count": 1.0,
}
"""The mean of bills in a run of schema 1."""

BILL = {
    "front": 0.9,
    "front_error": 0.1,
    "wall": 8.0,
    "transport": 1.5,
    "transport_error": 0.2,
    "work": 1.0,
    "work_cpu": 0.7,
    "work_wait": 0.3,
    "queue": 0.5,
    "world": 5.0,
    "hops": 6.0,
    "hops_sum": 12.0,
    "helpers": 3.0,
    "helpers_sum": 3.0,
    "own": 1.0,
    "daemon_sum": 10.0,
    "transport_sum": 2.0,
    "price": 3.4,
    "hop_count": 5.0,
    "helper_count": 1.0,
    "not_accounted_for": 0.1,
}
"""One request's, whose parts add up to the 9 ms that its client saw; helpers ran beside hops for 2 ms."""


def bills(*requests: dict[str, float], split: str = "estimate", front_known: str = "measured") -> Bills:
    """The bills of one RPC in one turn; :data:`BILL` with what is changed in each request."""
    whole = [BILL | request for request in requests]
    parts = {name: [request[name] for request in whole] for name in BILL}
    with_hops = sum(bool(request["hop_count"]) for request in whole)
    return Bills(len(whole), parts, {split: with_hops}, {front_known: len(whole)})


def side_run(factor: float, probe: Probe = QUIET, **more: Any) -> SideRun:
    """A turn whose numbers are ``factor`` times those of any other."""
    samples = {"RunPodSandbox": [10 * factor, 11 * factor], "last pod runs": [900 * factor]}
    samples |= {f"pod {what}": [number * 90 * factor for number in range(1, 11)] for what in ("runs", "gone")}
    cpu = {"helpers": 0.3 * factor, "containerd": 0.5 * factor, "shims": 0.1, "client": 0.1, "machine": 2.0 * factor}
    memory = {"containerd": 50.0 * factor, "cri-shim": 60.0, "machine": 900.0}
    more.setdefault("pss", {"containerd": 40.0 * factor, "cri-shim": 45.0, "shims": 90.0})
    more.setdefault("uss", {"containerd": 38.0 * factor, "cri-shim": 41.0, "shims": 80.0})
    return SideRun(1.0, samples, cpu, memory, more.pop("bills", {}), probe, **more)


def rounds(count: int, ratio: float, probe: Probe = QUIET) -> tuple[Round, ...]:
    """Rounds in which the bridge takes ``ratio`` times what the plugin takes, with a little chance in it."""
    draw = random.Random(3)
    result = []
    for number in range(count):
        plugin = draw.uniform(0.95, 1.05)
        bridge = plugin * ratio * draw.uniform(0.98, 1.02)
        side_runs = {
            "plugin": side_run(plugin, probe),
            "bridge": side_run(bridge, probe, bills={"RunPodSandbox": bills({}, {})}),
        }
        result.append(Round(number, 1000.0 + number, order_of_round(("plugin", "bridge"), number), side_runs))
    return tuple(result)


METRICS = (Metric("last pod runs", "until the last pod runs", main=True), Metric("RunPodSandbox", "RunPodSandbox"))


def run(*ratios: float, probe: Probe = QUIET, count: int = 8) -> Run:
    """A run with one step for each ratio: a batch, then steady states."""
    steps = tuple(
        Step("batch" if not pods else "steady", pods, {"at_once": 10}, "A step", "It is made up.", METRICS, made)
        for pods, made in ((10 * number, rounds(count, ratio, probe)) for number, ratio in enumerate(ratios))
    )
    parity = Parity(999.0, {"namespaces": 7, "mounts": 20})
    return Run(SCHEMA, "make compare", 990.0, MACHINE, SIDES, ("a note",), parity, steps)


def with_machine(original: Run, **changes: Any) -> Run:
    """The run on another machine."""
    return replace(original, machine=replace(original.machine, **changes))


def priced(
    requests: dict[str, list[dict[str, float]]],
    theirs: dict[str, list[float]],
    *,
    scenario: str = "life",
    count: int = 8,
    probe: Probe = QUIET,
    **more: Any,
) -> Run:
    """A run of one step whose rounds are all alike: the bridge's bills and the plugin's times, by RPC.

    ``more`` goes to :func:`bills`; an RPC ``pod start`` is the sum of all.
    """
    bills_by_rpc = {rpc: bills(*each, **more) for rpc, each in requests.items()}
    seen = {
        rpc: [sum(request) for request in zip(*(each.parts[part] for part in CLIENT_SEES), strict=True)]
        for rpc, each in bills_by_rpc.items()
    }
    side_runs = {
        "plugin": SideRun(1.0, theirs, probe=probe),
        "bridge": SideRun(1.0, seen | {"pod start": [0.0], "Version": [1.0]}, bills=bills_by_rpc, probe=probe),
    }
    rounds = tuple(Round(number, 1000.0 + number, ("plugin", "bridge"), side_runs) for number in range(count))
    metrics = tuple(
        Metric(rpc, rpc, main=True, sum_of=tuple(requests) if rpc == "pod start" else ())
        for rpc in (*requests, *(["pod start"] if "pod start" in theirs else ()))
    )
    step = Step(scenario, 0, {}, "A step", "It is made up.", metrics, rounds)
    return Run(SCHEMA, "make compare", 990.0, MACHINE, SIDES, steps=(step,))


CLIENT_SEES = ("front", "wall", "not_accounted_for")
