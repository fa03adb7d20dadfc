"""What the statistics of a full node cost through the daemon, and through containerd's own CRI plugin.

Two private containerds of one version, one with the plugin and one with the daemon in front of it, each with the same
number of pods of one container. The two take turns (A B B A …). Between two requests is more time than the daemon
shares a reading for, so that each request is one that reads; what a shared one costs is shown beside. Printed are
medians per RPC, their ratio, CPU time of the daemons per request, and memory. Run it on a machine that does nothing
else: ``python -m tests.lab.stats_bench``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cri_shim.stats.sampler import SHARED_SECONDS
from tests.lab.lab import Lab, push_images
from tests.lab.pods import Pod
from tests.lab.registry import Registry

if TYPE_CHECKING:
    from tests.lab.processes import Daemon

RPCS = ("ListContainerStats", "ListPodSandboxStats", "ListPodSandboxMetrics")
AT_ONCE = 4


@dataclass(slots=True)
class Side:
    """One endpoint and what was measured of it: times in milliseconds, by RPC."""

    name: str
    lab: Lab
    times: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def daemon(self) -> Daemon:
        """The process that serves the CRI."""
        return self.lab.served_by

    async def fill(self, pods: int) -> None:
        """Run the pods."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with places:
                pod = await Pod.run(
                    self.lab.client, self.lab.busybox, cgroup_parent=f"{self.lab.cgroup_parent}/pod{number}"
                )
                await pod.start(log=False)

        await asyncio.gather(*(one(number) for number in range(pods)))

    async def ask(self, rpc: str, pods: int) -> None:
        """Make one request that reads, and one that shares the reading."""
        cpu = self.daemon().cpu_seconds()
        for name in (rpc, f"{rpc}, shared"):
            started = time.perf_counter()
            answer = await getattr(self.lab.client, rpc)()
            self.times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
            listed = len(answer.pod_metrics if rpc == "ListPodSandboxMetrics" else answer.stats)
            if listed != pods:
                raise RuntimeError(f"{rpc} of the {self.name} lists {listed} of {pods}")
        self.cpu.setdefault(rpc, []).append((self.daemon().cpu_seconds() - cpu) * 1000 / 2)

    def has(self, rpc: str) -> bool:
        """The plugin of containerd 1.6 knows no metrics."""
        return self.name == "bridge" or not rpc.endswith("Metrics")


async def measure(pods: int, runs: int) -> dict[str, Any]:
    """Fill both nodes and ask them in turns; the result as a document."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        registry = stack.enter_context(Registry.start(directory / "registry"))
        push_images(registry)
        plugin = Side("plugin", await stack.enter_async_context(Lab("plugin", registry=registry)))
        bridge = Side("bridge", await stack.enter_async_context(Lab("bridge", registry=registry)))
        sides = [plugin, bridge]
        for side in sides:
            await side.fill(pods)
        before = {side.name: side.daemon().rss_kib() for side in sides}
        for number in range(runs + 1):
            for rpc in RPCS:
                for side in sides if number % 2 == 0 else reversed(sides):
                    if side.has(rpc):
                        await asyncio.sleep(SHARED_SECONDS * 1.2)
                        await side.ask(rpc, pods)
            if number == 0:  # the first is for warming up
                for side in sides:
                    side.times.clear()
                    side.cpu.clear()
        version = (await plugin.lab.client.Version()).runtime_version
        return {"containerd": version, "pods": pods, "runs": runs} | summary(sides, before)


def summary(sides: list[Side], before: dict[str, int]) -> dict[str, Any]:
    """Medians and ratios."""
    rows: dict[str, Any] = {}
    for rpc in (f"{name}{kind}" for name in RPCS for kind in ("", ", shared")):
        medians = {side.name: round(statistics.median(side.times[rpc]), 2) for side in sides if rpc in side.times}
        rows[rpc] = {"median_ms": medians}
        if len(medians) == 2:
            rows[rpc]["ratio"] = round(medians["plugin"] / medians["bridge"], 1)
        rows[rpc]["cpu_ms"] = {side.name: round(statistics.mean(side.cpu[rpc]), 2) for side in sides if rpc in side.cpu}
    memory = {side.name: {"full_kib": before[side.name], "after_kib": side.daemon().rss_kib()} for side in sides}
    return {"rpcs": rows, "rss": memory}


def table(document: dict[str, Any]) -> str:
    """The document for people."""
    lines = [f"{document['pods']} pods, containerd {document['containerd']}, medians of {document['runs']} requests"]
    lines.append(f"{'':<32} {'plugin ms':>10} {'bridge ms':>10} {'cheaper':>8}   CPU ms, both kinds: plugin, bridge")
    for name, row in document["rpcs"].items():
        cells = [f"{row['median_ms'].get(side, '-'):>10}" for side in ("plugin", "bridge")]
        cpu = ", ".join(f"{row['cpu_ms'].get(side, '-')}" for side in ("plugin", "bridge")) if row["cpu_ms"] else ""
        lines.append(f"{name:<32} {' '.join(cells)} {row.get('ratio', '-'):>8}   {cpu}")
    for side, kib in document["rss"].items():
        lines.append(f"RSS of the {side}: {kib['full_kib'] / 1024:.1f} MiB, afterwards {kib['after_kib'] / 1024:.1f}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pods", type=int, default=105, help="pods on each side (default: 105)")
    parser.add_argument("--runs", type=int, default=15, help="requests of each kind on each side (default: 15)")
    parser.add_argument("--json", action="store_true", help="print the document instead of the table")
    arguments = parser.parse_args()
    document = asyncio.run(measure(arguments.pods, arguments.runs))
    sys.stdout.write((json.dumps(document, indent=2) if arguments.json else table(document)) + "\n")


if __name__ == "__main__":
    main()
