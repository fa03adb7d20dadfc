"""Measure where the machine's CPU goes while many pods start and end at once: ``python -m lab.measuring.batch_cpu``.

The sides alternate. For each side the table has the milliseconds of CPU time for one pod, by program and by what the
program was run for, and the number of executions: CNI plugins and what they run, runc by verb, shims that serve and
those that only start or clean up one, containerd, the daemon's main thread and its others, kernel threads.

    python -m lab.measuring.batch_cpu --side plugin --side bridge --side pinned --pods 35 --output cpu.json

``--side bridge=CHECKOUT`` runs the daemon of another checkout, ``--side bridge:runtime.starts_at_once=3`` one with
another setting, and ``--endpoint NAME=unix:///… --behind NAME=unix:///…`` measures a runtime that runs already. CPU
time hardly depends on what else runs on the machine, wall time does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
import time
import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins

from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples, next_name
from cri_shim.bench.endpoint.pod import Pod, remove_all
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.measures.machine import read_machine
from lab.bridge import interpreter_settings, merged
from lab.compare import PLUGIN_SETTINGS, SUBNET_BITS
from lab.debian import oci_runtimes
from lab.lab import Lab, push_images
from lab.measuring.batch_report import Run, Series, document, table
from lab.measuring.cpu_account import Arguments, add_up, living_programs
from lab.measuring.exec_listener import Exec
from lab.measuring.process_connector import READY
from lab.measuring.scheduler_trace import SchedulerTrace
from lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

KINDS: Final = ("plugin", "bridge", "pinned")
WARM_PODS: Final = 4
AFTERMATH: Final = 0.5
"""Seconds that belong to a batch after its last answer, for what a runtime does later."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_BUSY: Final = (0, 1, 2, 5, 6)
"""User, nice, system, interrupts and soft interrupts, in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class Made:
    """A side that is set up: KIND, KIND=CHECKOUT, and for a daemon settings after a colon."""

    name: str
    kind: str
    checkout: Path | None
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Made:
        """Read an argument; raises ValueError for a kind that does not exist and a checkout without ``make venv``."""
        which, *settings = text.split(":")
        kind, separator, path = which.partition("=")
        if kind not in KINDS or (separator and not Path(path, ".venv/bin/cri-shim").exists()):
            raise ValueError(text)
        made = cls(text, kind, Path(path).resolve() if separator else None)
        for each in settings:
            made = replace(made, settings=merged(made.settings, tomllib.loads(each)))
        return made

    def lab(self, directory: Path, registry: Registry) -> Lab:
        """Prepare its node; the daemons do not run yet."""
        if self.kind == "plugin":
            lab = Lab("plugin", directory, dict(PLUGIN_SETTINGS), registry=registry, subnet_bits=SUBNET_BITS)
            lab.prepare()
            return lab
        infra = {"sandbox": {"infra": "pinned" if self.kind == "pinned" else "pause"}}
        lab = Lab("bridge", directory, merged(infra, self.settings), registry=registry, subnet_bits=SUBNET_BITS)
        lab.prepare()
        if self.checkout:
            daemon = lab.bridge.daemon
            daemon.command = [f"{self.checkout}/.venv/bin/cri-shim", *list(daemon.command)[-3:]]
            daemon.environment = interpreter_settings(self.checkout)
        return lab


@asynccontextmanager
async def listening() -> AsyncIterator[Callable[[], Awaitable[Arguments]]]:
    """Listen to executions; the value stops that and returns the arguments of all programs."""
    command = (sys.executable, "-m", "lab.measuring.exec_listener")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 26)
    assert process.stdin is not None
    assert process.stdout is not None
    output, stdin = process.stdout, process.stdin

    async def stop() -> Arguments:
        stdin.close()
        lines = [json.loads(line) for line in (await output.read()).splitlines()]
        if await process.wait():
            raise RuntimeError("the listener for executed programs failed; what it says is above")
        return Arguments((Exec(nanoseconds, pid), arguments) for nanoseconds, pid, arguments in lines)

    try:
        if (await output.readline()).decode().strip() != READY:
            raise RuntimeError("the kernel does not report executions (run this as root)")
        yield stop
    finally:
        stdin.close()
        await process.wait()


def busy_seconds() -> float:
    """Return the seconds that all cores have worked so far."""
    values = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()[1:]
    return sum(int(values[index]) for index in _BUSY) / _TICKS


async def one_phase(node: Node, works: Sequence[Awaitable[None]]) -> Run:
    """Do all of ``works`` at once, and account for it."""
    shims = node.shims()
    named = {process.pid: process.name for process in node.processes}
    async with listening() as stop:
        trace = SchedulerTrace()
        busy = busy_seconds()
        with trace:
            living = living_programs(named, shims, (os.getpid(), *node.client.pids))
            began = time.perf_counter()
            await asyncio.gather(*works)
            took = time.perf_counter() - began
            await asyncio.sleep(AFTERMATH)
        busy = busy_seconds() - busy
        arguments = await stop()
    return Run(took, await asyncio.to_thread(add_up, trace.events(), living, arguments), busy)


async def one_batch(node: Node, count: int) -> tuple[Run, Run]:
    """Start pods at once, then end them at once."""
    samples = Samples()
    pods = [Pod.of(node, next_name("cpu")) for _ in range(count)]
    started = await one_phase(node, [pod.start(samples) for pod in pods])
    return started, await one_phase(node, [pod.end(samples) for pod in pods])


async def measure(options: argparse.Namespace) -> list[Series]:
    """Set the sides up, measure them alternately, take them down."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path("/tmp", f"batch-cpu-{os.getpid()}")
        nodes = [
            await stack.enter_async_context(_connected(name, endpoint, options.image, directory, behind))
            for name, endpoint, behind in _running(options)
        ]
        registry = stack.enter_context(Registry.start(directory / "registry")) if options.side else None
        if registry:
            await asyncio.to_thread(push_images, registry)
            for number, side in enumerate(options.side):
                lab = side.lab(directory / f"side{number}", registry)
                stack.callback(lab.tear_down)
                await asyncio.to_thread(lab.serve)
                behind = (lab.containerd.endpoint,) if lab.kind == "bridge" else ()
                connected = _connected(side.name, lab.endpoint, lab.busybox, directory / f"logs{number}", behind)
                nodes.append(await stack.enter_async_context(connected))
        series = [[Series(node.name, phase, options.pods) for phase in ("start", "end")] for node in nodes]
        for number in range(options.runs):
            for node, kept in list(zip(nodes, series, strict=True))[:: -1 if number % 2 else 1]:
                for one, run in zip(kept, await one_batch(node, options.pods), strict=True):
                    one.runs.append(run)
                    sys.stderr.write(f"{node.name}, {one.phase}, run {number + 1}: {run.seconds:.2f} s\n")
        return [one for kept in series for one in kept]


@asynccontextmanager
async def _connected(name: str, endpoint: str, image: str, logs: Path, behind: tuple[str, ...]) -> AsyncIterator[Node]:
    """Connect to a side that serves, and run some pods to warm it up."""
    async with Client(endpoint, GrpcCaller(endpoint)) as client:
        node = Node(name, client, Place(image, logs, f"/{logs.parent.name}-{logs.name}"), behind)
        await node.inspect()
        await node.have_image()
        try:
            for number in range(2):
                pods = [Pod.of(node, next_name(f"warm{number}")) for _ in range(WARM_PODS)]
                await asyncio.gather(*(pod.start(Samples()) for pod in pods))
                await asyncio.gather(*(pod.end(Samples()) for pod in pods))
            yield node
        finally:
            await remove_all(node)
            node.remove_cgroups()


def _running(options: argparse.Namespace) -> list[tuple[str, str, tuple[str, ...]]]:
    behind = [text.partition("=")[::2] for text in options.behind]
    endpoints = [text.partition("=")[::2] for text in options.endpoint]
    return [(name, url, tuple(other for of, other in behind if of == name)) for name, url in endpoints]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.measuring.batch_cpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--side", type=Made.read, action="append", default=[], help="plugin, bridge, pinned, see above")
    add("--endpoint", action="append", default=[], metavar="NAME=URL", help="a runtime that runs already")
    add("--behind", action="append", default=[], metavar="NAME=URL", help="a daemon that works for that runtime")
    add("--image", default="", help="the image of pods on such runtimes")
    add("--pods", type=int, default=35, help="pods of a batch (default: 35)")
    add("--turns", dest="runs", type=int, default=3, help="batches of each side (default: 3)")
    add("--output", type=Path, help="file for the numbers, as JSON")
    options = parser.parse_args()
    series = asyncio.run(measure(options))
    for phase in ("start", "end"):
        of_phase = [one for one in series if one.phase == phase]
        sys.stdout.write(f"\n{options.pods} pods {phase}, ms of CPU time for each pod (executions):\n\n")
        sys.stdout.write(table(of_phase))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        machine = to_builtins(read_machine(oci_runtimes.options().get("BinaryName", "runc")))
        del machine["boot_id"]
        kept = {"date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"), "machine": machine, "series": document(series)}
        options.output.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
