"""How fast an image is pulled through the daemon, and through containerd's own CRI plugin.

Two private containerds of one version, one with the plugin and one with the daemon in front of it, pull the same image
of several gzip layers from the same docker-registry on loopback, taking turns (A B B A …); the image is removed, and
collected, before each turn. While a pull runs, somebody else asks the same endpoint for its pods every 10 ms. Printed
are the medians, their ratio, the 99th percentile of those requests, and how far the resident memory of whoever serves
the CRI rose above what it was when the pull began. ``python -m tests.lab.pull_bench --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.lab.images import OCI_LAYER_GZIP, Image, Tree, build_image, push
from tests.lab.lab import Lab, push_images
from tests.lab.registry import Registry

if TYPE_CHECKING:
    from tests.lab.processes import Daemon

MIB = 1 << 20
NAME = "pull-bench:1"
WORDS = b"the quick brown fox jumps over the lazy dog and comes back for more of the same\n"


@dataclass(slots=True)
class Side:
    """One endpoint and what was measured of it."""

    name: str
    lab: Lab
    seconds: list[float] = field(default_factory=list)
    rise_kib: list[int] = field(default_factory=list)
    list_ms: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    async def pull(self, reference: str) -> None:
        """Pull once, with an eye on memory and on the answers that others get; then remove the image."""
        done = asyncio.Event()
        before = self.lab.served_by.rss_kib()
        cpu = {daemon.name: daemon.cpu_seconds() for daemon in self._daemons()}
        watch = asyncio.create_task(self._watch(done))
        asking = asyncio.create_task(self._ask(done))
        began = time.perf_counter()
        await self.lab.client.PullImage(image={"image": reference}, _deadline=900.0)
        self.seconds.append(time.perf_counter() - began)
        done.set()
        self.rise_kib.append(await watch - before)
        await asking
        for daemon in self._daemons():
            self.cpu.setdefault(daemon.name, []).append(daemon.cpu_seconds() - cpu[daemon.name])
        await self.lab.client.RemoveImage(image={"image": reference}, _deadline=300.0)

    def _daemons(self) -> list[Daemon]:
        return [self.lab.containerd.daemon, *([self.lab.served_by] if self.lab.kind == "bridge" else [])]

    async def _watch(self, done: asyncio.Event) -> int:
        highest = 0
        while not done.is_set():
            highest = max(highest, self.lab.served_by.rss_kib())
            await asyncio.sleep(0.05)
        return highest

    async def _ask(self, done: asyncio.Event) -> None:
        while not done.is_set():
            began = time.perf_counter()
            await self.lab.client.ListPodSandbox()
            self.list_ms.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)


def big_image(mebibytes: int, layers: int) -> Image:
    """An image of about so many MiB as stored: three quarters noise, a quarter of text, which is larger unpacked."""
    noise = random.Random(7)
    share = mebibytes // layers
    built = []
    for number in range(layers):
        tree = Tree().directory(f"d{number}")
        for part in range(share // 4 or 1):
            tree.file(f"d{number}/noise{part}", noise.randbytes(4 * MIB))
            tree.file(f"d{number}/text{part}", WORDS * (MIB * 3 // 2 // len(WORDS)))
        built.append(tree.layer(OCI_LAYER_GZIP))
    return build_image(*built, config={"Cmd": ["sh"]})


async def measure(mebibytes: int, layers: int, rounds: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Pull ``rounds`` times on each side, taking turns; one small pull on each goes before and does not count."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="pullbench-")))
        registry = stack.enter_context(Registry.start(directory / "registry"))
        push_images(registry)
        image = await asyncio.to_thread(big_image, mebibytes, layers)
        await asyncio.to_thread(push, registry.address, NAME, image)
        size = image.size
        del image
        sides = [
            Side("plugin", await stack.enter_async_context(Lab("plugin", registry=registry))),
            Side("bridge", await stack.enter_async_context(Lab("bridge", registry=registry, settings=settings))),
        ]
        for number in range(rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                await side.pull(f"{registry.address}/{NAME}")
        return summary(sides, size)


def summary(sides: list[Side], size: int) -> dict[str, Any]:
    """What is printed, as a document."""
    document: dict[str, Any] = {"mebibytes": round(size / MIB)}
    for side in sides:
        document[side.name] = {
            "seconds": [round(value, 2) for value in side.seconds],
            "median_seconds": round(statistics.median(side.seconds), 2),
            "mebibytes_per_second": round(size / MIB / statistics.median(side.seconds), 1),
            "rss_rise_mebibytes": round(max(side.rise_kib) / 1024, 1),
            "list_p99_ms": round(statistics.quantiles(side.list_ms, n=100)[98], 2),
            "list_max_ms": round(max(side.list_ms), 2),
            "list_requests": len(side.list_ms),
            "cpu_seconds": {name: round(statistics.median(values), 2) for name, values in side.cpu.items()},
        }
    plugin, bridge = (document[side.name]["median_seconds"] for side in sides)
    document["speed_ratio"] = round(plugin / bridge, 3)
    return document


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the image as stored (default: 1024)")
    parser.add_argument("--layers", type=int, default=8, help="how many layers (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="pulls on each side (default: 3)")
    arguments = parser.parse_args()
    document = asyncio.run(measure(arguments.mebibytes, arguments.layers, arguments.rounds, {}))
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
