"""Read what each pod takes of the daemon's memory: ``python -m lab.measuring.pod_memory --pods 105,500``.

One daemon starts the pods, a few at a time, and answers a kubelet's lists once a second. Its memory is read when it
has pulled the image, at each number of pods, and after a restart that finds all of them. ``own`` is memory without a
file behind it; PSS has the daemon's share of library pages as well.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.lab import Lab
from lab.pod_configs import container_config, pod_config

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 64
QUIET: Final = 20.0
"""Seconds of nothing but a kubelet's lists before memory is read."""
DEADLINE: Final = 900.0
"""Seconds for one call, for a machine that is busy with other things, too."""
SUBNET_BITS: Final = 22
_KIB_IN_MIB: Final = 1024
_MEASURES: Final = {"PSS": ("Pss",), "USS": ("Private_Clean", "Private_Dirty"), "own": ("Anonymous",)}


def memory(pid: int) -> dict[str, float]:
    """Return the memory of a process in MiB (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {name.removesuffix(":"): int(size) for name, size, *_ in map(str.split, lines)}
    return {name: sum(sizes[each] for each in parts) / _KIB_IN_MIB for name, parts in _MEASURES.items()}


def line(moment: str, now: dict[str, float], before: dict[str, float] | None = None, pods: int = 0) -> str:
    """Return one line of the result; with ``before``, how much each of ``pods`` took since then."""
    text = "  ".join(f"{name} {size:.1f} MiB" for name, size in now.items())
    if before is not None and pods:
        text += f"  ({(now['own'] - before['own']) * _KIB_IN_MIB / pods:.0f} KiB own for each pod)"
    return f"{moment}: {text}"


async def start(lab: Lab, number: int) -> None:
    """Start a pod with one container."""
    logs = lab.logs / f"pod{number}"
    pod = pod_config(cgroup_parent=lab.cgroup_parent, log_directory=logs)
    id_ = (await lab.client.RunPodSandbox(_deadline=DEADLINE, config=pod)).pod_sandbox_id
    container = await lab.client.CreateContainer(
        _deadline=DEADLINE, pod_sandbox_id=id_, config=container_config(lab.busybox, "c"), sandbox_config=pod
    )
    await lab.client.StartContainer(_deadline=DEADLINE, container_id=container.container_id)


async def rest(lab: Lab, seconds: float) -> None:
    """Call the lists as a kubelet does, once a second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await lab.client.ListPodSandbox()
        await lab.client.ListContainers()
        await asyncio.sleep(1)
    await lab.client.ListContainerStats()


async def measure(lab: Lab, steps: Sequence[int], quiet: float) -> None:
    """Start the pods and print the memory at each step, and after a restart."""
    await lab.client.PullImage(image=cri.ImageSpec(image=lab.busybox))
    before = memory(lab.bridge.daemon.pid)
    print(line("image pulled", before), flush=True)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await start(lab, number)

    done = 0
    for pods in steps:
        await asyncio.gather(*(one(number) for number in range(done, pods)))
        await rest(lab, quiet)
        now = memory(lab.bridge.daemon.pid)
        print(line(f"{pods} pods", now, before, pods - done), flush=True)
        before, done = now, pods
    await asyncio.to_thread(lab.bridge.restart)
    await rest(lab, quiet)
    print(line(f"restarted with {done} pods", memory(lab.bridge.daemon.pid)), flush=True)


async def run(steps: Sequence[int], quiet: float) -> None:
    """Measure in a lab of its own."""
    async with Lab(kind="bridge", subnet_bits=SUBNET_BITS) as lab:
        await measure(lab, steps, quiet)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m lab.measuring.pod_memory", description=__doc__)
    parser.add_argument("--pods", default="105,500", help="numbers of pods at which memory is read (default: 105,500)")
    parser.add_argument("--quiet", type=float, default=QUIET, help="seconds before each reading (default: 20)")
    options = parser.parse_args(arguments)
    asyncio.run(run([int(pods) for pods in options.pods.split(",")], options.quiet))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
