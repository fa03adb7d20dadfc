"""Measure what the ledger costs: the same daemon with and without it, on one containerd, in turns.

``python -m lab.measuring.ledger_bench``: pods are started and removed, and ListPodSandbox is called, alternately
through a daemon with ledger.enabled = true and one with false, in an order that is reversed every time (ABBA). The
budget is 2 % of a pod start and 30 µs of a List.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

from lab.bridge import Bridge
from lab.cri_client import CriClient
from lab.lab import Lab
from lab.pod_configs import container_config, pod_config

LISTS_A_RUN = 200
POD_BUDGET, LIST_BUDGET = 0.02, 30e-6


@dataclass(slots=True)
class Side:
    """One of the two daemons; seconds."""

    name: str
    client: CriClient
    starts: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)


async def measure(runs: int, warm_up: int, standing: int) -> tuple[Side, Side]:
    """Alternate between the two daemons; the one without a ledger has a containerd namespace of its own."""
    async with Lab("bridge") as lab:
        off = Bridge(
            lab.directory / "off",
            lab.containerd.address,
            lab.network.conf_dir,
            lab.network.cache_dir,
            lab.pause,
            lab.bridge.registry_hosts_dir,
            {"ledger": {"enabled": False}, "containerd": {"namespace": "ledger-off"}},
            runc_root=lab.bridge.runc_root,
        )
        await asyncio.to_thread(off.start)
        sides = Side("on", lab.client), Side("off", CriClient(off.endpoint))
        try:
            for image in (lab.pause, lab.busybox):
                await sides[1].client.PullImage(image={"image": image})
            pods = [(side, await start(side, lab)) for _ in range(standing) for side in sides]
            for number in range(-warm_up, runs):
                for side in sides if number % 2 else sides[::-1]:
                    await one_run(side, lab, count=number >= 0)
            for side, pod in pods:
                await end(side, pod)
        finally:
            await sides[1].client.close()
            await asyncio.to_thread(off.clean)
        return sides


async def start(side: Side, lab: Lab) -> str:
    """Run a pod with one container; return its id."""
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    pod: str = (await side.client.RunPodSandbox(config=config)).pod_sandbox_id
    container = await side.client.CreateContainer(
        pod_sandbox_id=pod, config=container_config(lab.busybox, "c"), sandbox_config=config
    )
    await side.client.StartContainer(container_id=container.container_id)
    return pod


async def end(side: Side, pod: str) -> None:
    """Remove the pod."""
    await side.client.StopPodSandbox(pod_sandbox_id=pod)
    await side.client.RemovePodSandbox(pod_sandbox_id=pod)


async def one_run(side: Side, lab: Lab, *, count: bool) -> None:
    """Start a pod, list, remove the pod."""
    began = perf_counter()
    pod = await start(side, lab)
    took = perf_counter() - began
    lists = []
    for _ in range(LISTS_A_RUN):
        began = perf_counter()
        await side.client.ListPodSandbox()
        lists.append(perf_counter() - began)
    await end(side, pod)
    if count:
        side.starts.append(took)
        side.lists.extend(lists)


def main() -> None:
    """Measure and print; the exit code is 1 when the budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", dest="runs", type=int, default=40, help="pods on each side (default: 40)")
    parser.add_argument("--warm-up", type=int, default=4, help="turns that do not count (default: 4)")
    parser.add_argument("--standing", type=int, default=5, help="pods on each side that stand by (default: 5)")
    options = parser.parse_args()
    on, off = asyncio.run(measure(options.runs, options.warm_up, options.standing))
    for side in (on, off):
        low, _, high = quantiles(side.starts, n=4)
        least, _, most = quantiles(side.lists, n=4)
        sys.stdout.write(
            f"ledger {side.name:<3}  pod start {median(side.starts) * 1e3:.1f} ms ({low * 1e3:.1f}-{high * 1e3:.1f})   "
            f"ListPodSandbox {median(side.lists) * 1e6:.0f} us ({least * 1e6:.0f}-{most * 1e6:.0f})\n"
        )
    more, longer = median(on.starts) / median(off.starts) - 1, median(on.lists) - median(off.lists)
    sys.stdout.write(
        f"on against off, {options.runs} pods and {len(on.lists)} lists on each side: pod start {more:+.1%} "
        f"(at most {POD_BUDGET:+.0%}), ListPodSandbox {longer * 1e6:+.1f} us (at most {LIST_BUDGET * 1e6:+.0f})\n"
    )
    raise SystemExit(int(more > POD_BUDGET or longer > LIST_BUDGET))


if __name__ == "__main__":
    main()
