"""Compare daemons of several checkouts, in turns on one containerd: ``python -m lab.versions_bench NAME=CHECKOUT …``.

It answers whether a change costs or saves anything: take a checkout with the change and one without it, each with its
own ``make venv``. Every daemon has a containerd namespace of its own, the same number of standby pods, and the
interpreter settings of its own systemd unit. The other checkouts are compared with the first one.

Memory is read when the standby pods are made, after some minutes of a kubelet's calls with a new pod every ten seconds,
and again after a quiet time. ``own`` is memory without a file behind it; pages of libraries, which the page cache keeps
for all programs that map them, are in the other measures. Times are medians over runs. Each ratio is the median of the
ratios run by run, because other load on the machine affects both sides of a run. CPU time says more than wall time on
such a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from lab import without
from lab.bridge import CHECKOUT, Bridge, interpreter_settings, program
from lab.cri_client import CriClient
from lab.lab import Lab
from lab.pod_configs import NODE, POD, container_config, pod_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

WARM_UP = 2
"""How many runs do not count."""
NEW_POD_EVERY = 10.0
"""Seconds between two pods that come and go while a kubelet calls."""
COMMANDS = 3
"""How many commands are run in each pod."""
AT_ONCE = 4
"""How many pods are made at the same time when many are."""
SUBNET_BITS = 22
"""The prefix length of the pods' subnet, which leaves room for the pods of several daemons."""
MIB_IN_KIB = 1024
LABELS = {"app": "a-name", "pod-template-hash": "5f6d7c8b9"}
ANNOTATIONS = {"kubernetes.io/config.seen": "2026-01-01T00:00:00Z", "kubernetes.io/config.source": "api"}


@dataclass(slots=True)
class Side:
    """One daemon and its measurements: memory in MiB by moment, wall and CPU seconds by what was done."""

    name: str
    bridge: Bridge
    client: CriClient
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def read_memory(self, moment: str) -> None:
        """Read its memory now (proc_pid_smaps(5))."""
        lines = Path(f"/proc/{self.bridge.daemon.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        sizes = {name.removesuffix(":"): int(size) / MIB_IN_KIB for name, size, *_ in map(str.split, lines)}
        self.memory[moment] = {
            "RSS": sizes["Rss"],
            "PSS": sizes["Pss"],
            "USS": sizes["Private_Clean"] + sizes["Private_Dirty"],
            "own": sizes["Anonymous"],
        }

    def clocks(self) -> tuple[float, float]:
        """Return the wall time and the CPU time of the daemon (clock_getcpuclockid(3)), in seconds."""
        return time.perf_counter(), time.clock_gettime((~self.bridge.daemon.pid << 3) | 2)

    def note(self, what: str, before: tuple[float, float], count: int = 1) -> None:
        """Record what was done ``count`` times since ``before``."""
        for kind, began, ended in zip(("wall", "cpu"), before, self.clocks(), strict=True):
            self.times[f"{what}, {kind}"].append((ended - began) / count)


async def start(
    side: Side, lab: Lab, *, network: cri.NamespaceMode.ValueType = POD, run: bool = True
) -> tuple[str, str]:
    """Make a pod with one container, started if ``run`` is set; return the ids of both."""
    config = pod_config(cgroup_parent=lab.cgroup_parent, network=network, labels=LABELS, annotations=ANNOTATIONS)
    pod: str = (await side.client.RunPodSandbox(config=config)).pod_sandbox_id
    container = await side.client.CreateContainer(
        pod_sandbox_id=pod, config=container_config(lab.busybox, "c", network=network), sandbox_config=config
    )
    if run:
        await side.client.StartContainer(container_id=container.container_id)
    return pod, container.container_id


async def end(side: Side, pod: str) -> None:
    """Remove a pod."""
    await side.client.StopPodSandbox(pod_sandbox_id=pod)
    await side.client.RemovePodSandbox(pod_sandbox_id=pod)


async def make_standing(side: Side, lab: Lab, pods: int) -> None:
    """Make the standby pods; their containers are not started, because a daemon lists them all the same."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            await start(side, lab, network=NODE, run=False)

    await asyncio.gather(*(one() for _ in range(pods)))
    side.read_memory("pods stand by")


async def call_like_a_kubelet(side: Side, lab: Lab, seconds: float, rate: float) -> None:
    """Call lists ``rate`` times a second and the rest now and then, while pods come and go."""
    until, renewed, pod = time.monotonic() + seconds, time.monotonic(), (await start(side, lab))[0]
    pause = 2 / rate
    while time.monotonic() < until:
        await side.client.ListPodSandbox()
        await side.client.ListContainers()
        if time.monotonic() - renewed > NEW_POD_EVERY:
            renewed = time.monotonic()
            await side.client.Status()
            await side.client.PodSandboxStatus(pod_sandbox_id=pod)
            await side.client.ListContainerStats()
            await end(side, pod)
            pod, _ = await start(side, lab)
        await asyncio.sleep(pause)
    await end(side, pod)


async def one_run(side: Side, lab: Lab, lists: int) -> None:
    """Start a pod, run commands in it, end it, and call lists."""
    began = side.clocks()
    pod, container = await start(side, lab)
    side.note("pod start", began)
    began = side.clocks()
    for _ in range(COMMANDS):
        await side.client.ExecSync(container_id=container, cmd=["true"])
    side.note("ExecSync", began, COMMANDS)
    began = side.clocks()
    await end(side, pod)
    side.note("pod end", began)
    for what, call in (("ListPodSandbox", side.client.ListPodSandbox), ("ListContainers", side.client.ListContainers)):
        began = side.clocks()
        for _ in range(lists):
            await call()
        side.note(what, began, lists)


async def one_batch(side: Side, lab: Lab, pods: int) -> None:
    """Start many pods at once, then end them at once."""
    began = side.clocks()
    made = await asyncio.gather(*(start(side, lab) for _ in range(pods)))
    side.note(f"{pods} pods start", began)
    began = side.clocks()
    await asyncio.gather(*(end(side, pod) for pod, _ in made))
    side.note(f"{pods} pods end", began)


def side_of(lab: Lab, number: int, name: str, checkout: Path, trick: str = "", *, infra: str) -> Side:
    """Prepare the daemon of a checkout, without a trick if one is named; nothing is started."""
    bridge = Bridge(
        lab.directory / f"side{number}",
        lab.containerd.address,
        lab.network.conf_dir,
        lab.network.cache_dir,
        lab.pause,
        lab.bridge.registry_hosts_dir,
        {"containerd": {"namespace": f"side{number}"}, "sandbox": {"infra": infra}},
        runc_root=lab.bridge.runc_root,
    )
    bridge.daemon.command = [*daemon_program(checkout, trick), "serve", "--config", str(bridge.config_file)]
    bridge.daemon.environment = interpreter_settings(checkout)
    return Side(name, bridge, CriClient(bridge.endpoint))


def daemon_program(checkout: Path, trick: str) -> list[str]:
    """Return the command of a checkout's daemon; where it has no environment of its own, the one that is installed."""
    environment = checkout / ".venv" / "bin"
    if trick:
        python = environment / "python" if environment.exists() else Path(sys.executable)
        return [str(python), "-P", without.__file__, trick]
    return [str(environment / "cri-shim")] if environment.exists() else program()


async def make_ready(side: Side, lab: Lab, pods: int) -> None:
    """Start a daemon twice, because compiling at the first start leaves memory behind; then pull images, make pods."""
    await asyncio.to_thread(side.bridge.start)
    await asyncio.to_thread(side.bridge.restart)
    for image in (lab.pause, lab.busybox):
        await side.client.PullImage(image={"image": image})
    await make_standing(side, lab, pods)


async def take_down(side: Side) -> None:
    """End the pods of a daemon that serves, and the daemon."""
    if side.bridge.daemon.alive:
        for pod in (await side.client.ListPodSandbox()).items:
            await end(side, pod.id)
    await side.client.close()
    await asyncio.to_thread(side.bridge.clean)


async def measure(options: argparse.Namespace) -> list[Side]:
    """Start the daemons, measure, end them."""
    async with Lab("bridge", subnet_bits=SUBNET_BITS) as lab:
        first = options.checkouts[0][1]
        wanted = [*options.checkouts, *((f"without {trick}", first, trick) for trick in options.without)]
        sides = [side_of(lab, number, *named, infra=options.infra) for number, named in enumerate(wanted)]
        try:
            for side in sides:
                await make_ready(side, lab, options.standing)
            if options.calls:
                calls = (call_like_a_kubelet(side, lab, options.calls, options.rate) for side in sides)
                await asyncio.gather(*calls)
                for side in sides:
                    side.read_memory("after calls")
                await asyncio.sleep(options.quiet)
                for side in sides:
                    side.read_memory("after a quiet time")
            order = list(sides)
            for number in range(-WARM_UP, options.runs):
                random.shuffle(order)
                for side in order:
                    await one_run(side, lab, options.lists)
                    if number < 0:
                        side.times.clear()
            for number in range(options.batches):
                for side in sides if number % 2 else sides[::-1]:
                    await one_batch(side, lab, options.batch)
        finally:
            for side in sides:
                await take_down(side)
        return sides


def report(sides: Sequence[Side]) -> str:
    """Return one line for each side and measure, with the differences and ratios to the first side."""
    first, lines = sides[0], []
    for moment, sizes in first.memory.items():
        for side in sides:
            cells = (f"{name} {size:6.2f} ({size - sizes[name]:+.2f})" for name, size in side.memory[moment].items())
            lines.append(f"MiB, {moment:20} {side.name:20} " + "  ".join(cells))
    for what, theirs in first.times.items():
        for side in sides:
            ours = side.times[what]
            ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
            lines.append(
                f"ms, {what:21} {side.name:20} {median(ours) * 1e3:8.3f}  ratio {ratio:.3f}  ({len(ours)} turns)"
            )
    return "\n".join(lines) + "\n"


def checkout(text: str) -> tuple[str, Path]:
    """Read ``NAME=CHECKOUT``; raises ValueError for anything else, and for a checkout without ``make venv``."""
    name, separator, path = text.partition("=")
    if not separator or not Path(path, ".venv/bin/cri-shim").exists():
        raise ValueError(text)
    return name, Path(path).resolve()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "checkouts",
        type=checkout,
        nargs="*",
        default=[("with all", CHECKOUT)],
        metavar="NAME=CHECKOUT",
        help="a checkout with its .venv (default: the one of this command)",
    )
    parser.add_argument(
        "--without",
        action="append",
        choices=tuple(without.TRICKS),
        default=[],
        help="a trick that one more daemon of the first checkout runs without; may be given again",
    )
    parser.add_argument(
        "--infra", choices=("pause", "pinned"), default="pause", help="how pods hold namespaces (default: pause)"
    )
    parser.add_argument("--standing", type=int, default=105, help="standby pods of each side (default: 105)")
    parser.add_argument("--calls", type=float, default=150, help="seconds of a kubelet's calls (default: 150)")
    parser.add_argument("--rate", type=float, default=20, help="lists a second of each side meanwhile (default: 20)")
    parser.add_argument("--quiet", type=float, default=120, help="seconds of quiet after that (default: 120)")
    parser.add_argument(
        "--turns", dest="runs", type=int, default=40, help="pods and lists of each side, in turns (default: 40)"
    )
    parser.add_argument("--lists", type=int, default=200, help="lists of each kind in a turn (default: 200)")
    parser.add_argument("--batches", type=int, default=0, help="batches of pods of each side (default: none)")
    parser.add_argument("--batch", type=int, default=105, help="pods of a batch (default: 105)")
    sys.stdout.write(report(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
