"""How long a pod takes to start and to end through the daemon, and through containerd's own CRI plugin.

Two private containerds of one version, one with the plugin and one with the daemon in front of it, each with a network
of the same plugins, the same images from one registry, everything warm. The two take turns (A B B A …), so that a slow
moment of the machine hits both. Printed are medians per RPC and in total, their ratio, and the CPU time that the
daemons used. Run it on a machine that does nothing else: ``python -m tests.lab.pod_start_bench``.
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

from tests.lab.lab import Lab, push_images
from tests.lab.pod_configs import container_config, pod_config
from tests.lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.lab.processes import Daemon

START = ("RunPodSandbox", "CreateContainer", "StartContainer")
END = ("StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox")


@dataclass(slots=True)
class Side:
    """One endpoint and what was measured of it; times in milliseconds."""

    name: str
    lab: Lab
    times: dict[str, list[float]] = field(default_factory=dict)
    version: str = ""
    cpu_before: float = 0.0

    def daemons(self) -> list[Daemon]:
        """The processes whose CPU time is the price."""
        return [self.lab.containerd.daemon, *([self.lab.bridge.daemon] if self.lab.kind == "bridge" else [])]

    def cpu(self) -> float:
        """CPU seconds of the daemons so far."""
        return sum(daemon.cpu_seconds() for daemon in self.daemons())

    async def timed(self, rpc: str, call: Awaitable[Any]) -> Any:
        """Await a call and note how long it took."""
        started = time.perf_counter()
        answer = await call
        self.times.setdefault(rpc, []).append((time.perf_counter() - started) * 1000)
        return answer

    async def one_pod(self) -> None:
        """Start and end a pod with one container, each RPC after the other, as the kubelet does."""
        client, lab = self.lab.client, self.lab
        config = pod_config(cgroup_parent=lab.cgroup_parent, log_directory=lab.logs / "bench")
        container = container_config(lab.busybox, command=("sleep", "3600"))
        pod = (await self.timed("RunPodSandbox", client.RunPodSandbox(config=config))).pod_sandbox_id
        create = client.CreateContainer(pod_sandbox_id=pod, config=container, sandbox_config=config)
        container_id = (await self.timed("CreateContainer", create)).container_id
        await self.timed("StartContainer", client.StartContainer(container_id=container_id))
        await self.timed("StopContainer", client.StopContainer(container_id=container_id, timeout=0))
        await self.timed("RemoveContainer", client.RemoveContainer(container_id=container_id))
        await self.timed("StopPodSandbox", client.StopPodSandbox(pod_sandbox_id=pod))
        await self.timed("RemovePodSandbox", client.RemovePodSandbox(pod_sandbox_id=pod))

    def total(self, rpcs: tuple[str, ...]) -> list[float]:
        """The sum of some RPCs, for each pod."""
        return [sum(values) for values in zip(*(self.times[rpc] for rpc in rpcs), strict=True)]

    def forget(self) -> None:
        """Begin to measure here."""
        self.times.clear()
        self.cpu_before = self.cpu()


async def measure(runs: int, warm_up: int, settings: dict[str, Any]) -> list[Side]:
    """Run ``runs`` pods on each side, taking turns."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        registry = stack.enter_context(Registry.start(directory / "registry"))
        push_images(registry)
        plugin = Side("plugin", await stack.enter_async_context(Lab("plugin", registry=registry)))
        bridge = Side("bridge", await stack.enter_async_context(Lab("bridge", registry=registry, settings=settings)))
        sides = [plugin, bridge]
        plugin.version = (await plugin.lab.client.Version()).runtime_version
        for side in sides * warm_up:
            await side.one_pod()
        for side in sides:
            side.forget()
        for number in range(runs):
            for side in sides if number % 2 == 0 else reversed(sides):
                await side.one_pod()
        for side in sides:
            side.times["cpu"] = [(side.cpu() - side.cpu_before) * 1000]
        return sides


def summary(sides: list[Side], runs: int) -> dict[str, Any]:
    """Medians, quartiles and ratios, as a document."""
    plugin, bridge = sides
    rows: dict[str, Any] = {}
    groups = {rpc: (rpc,) for rpc in (*START, *END)} | {"pod start": START, "pod end": END}
    for name, rpcs in groups.items():
        values = {side.name: side.total(rpcs) for side in sides}
        medians = {side: statistics.median(times) for side, times in values.items()}
        rows[name] = {
            "median_ms": {side: round(value, 2) for side, value in medians.items()},
            "quartiles_ms": {
                side: [round(cut, 2) for cut in statistics.quantiles(times, n=4)[::2]] for side, times in values.items()
            },
            "ratio": round(medians["bridge"] / medians["plugin"], 3),
        }
    cpu = {side.name: round(side.times["cpu"][0] / runs, 1) for side in (plugin, bridge)}
    return {"runs": runs, "containerd": plugin.version, "rpcs": rows, "daemon_cpu_ms_per_pod": cpu}


def table(document: dict[str, Any]) -> str:
    """The document for people."""
    lines = [f"{'':<18} {'plugin ms':>20} {'bridge ms':>20} {'ratio':>7}   (median, quartiles)"]
    for name, row in document["rpcs"].items():
        if name in {"pod start", "pod end"}:
            lines.append("")
        cells = []
        for side in ("plugin", "bridge"):
            low, high = row["quartiles_ms"][side]
            cells.append(f"{row['median_ms'][side]:>7.1f} {low:>5.1f}-{high:<6.1f}")
        lines.append(f"{name:<18} {cells[0]:>20} {cells[1]:>20} {row['ratio']:>7.2f}")
    cpu = document["daemon_cpu_ms_per_pod"]
    lines += ["", f"CPU of the daemons per pod, start to end: plugin {cpu['plugin']} ms, bridge {cpu['bridge']} ms"]
    start = document["rpcs"]["pod start"]
    lines.append(
        f"pod start, median of {document['runs']}: plugin {start['median_ms']['plugin']:.1f} ms, "
        f"bridge {start['median_ms']['bridge']:.1f} ms, ratio {start['ratio']:.2f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, help="pods on each side (default: 20)")
    parser.add_argument("--warm-up", type=int, default=3, help="pods on each side that do not count (default: 3)")
    parser.add_argument("--json", action="store_true", help="print the document instead of the table")
    arguments = parser.parse_args()
    document = summary(asyncio.run(measure(arguments.runs, arguments.warm_up, {})), arguments.runs)
    sys.stdout.write((json.dumps(document, indent=2) if arguments.json else table(document)) + "\n")


if __name__ == "__main__":
    main()
