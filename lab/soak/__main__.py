"""Churn pods on a node of its own for some minutes, then prove that nothing is left: ``python -m lab.soak``.

A few workers lead pods through their lives while the calls of a kubelet's rhythm go on. With ``--kill S`` the
daemon is killed that often and started again, and with ``--kill-containerd S`` containerd. In the end everything
is removed, and the node must hold what it held before (lab/census.py). An idle daemon must hold no more file
descriptors than after the first lives, and its memory and threads must not have grown with the work
(lab/soak/growth.py). The exit code is 0 if all of that holds, and 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tomllib
from typing import TYPE_CHECKING, Any

from lab.census import Census, wait_clean
from lab.images import busybox_image, push
from lab.lab import Lab
from lab.soak.growth import Sample, grown, kept
from lab.soak.lives import Node
from lab.soak.soak import Options, Soak

if TYPE_CHECKING:
    from collections.abc import Sequence

CLEAN_SECONDS = 30.0


async def soaked(options: Options, settings: dict[str, Any]) -> tuple[Soak, list[str]]:
    """Run one soak on a new node; return it, and a line for everything that does not hold."""
    async with Lab(settings=settings) as lab:
        spare = f"{lab.images.address}/spare:1"
        # An image of its own: the removal of an image removes all names of the same one.
        push(lab.images.address, "spare:1", busybox_image(files={"spare": b"of the soak\n"}))
        soak = Soak(Node(lab, lab.client, spare), options, random.Random(options.seed))
        await soak.one_of_each()
        await asyncio.sleep(options.quiet)
        before, census = Sample.take(lab.bridge.daemon, 0), Census.take(lab)
        await soak.run()
        await lab.client.RemoveImage(image={"image": spare})
        left = await wait_clean(lab, census, CLEAN_SECONDS)
        await asyncio.sleep(options.quiet)
        after = await at_rest(lab, before, options.seconds)
        soak.samples.append(after)
        soak.report()
        # A daemon that was killed begins anew, so what it holds cannot be compared with what the first one held.
        growth = grown(soak.samples) + (kept(before, after) if before.pid == after.pid else [])
        return soak, [*soak.faults, *left.splitlines(), *growth]


async def at_rest(lab: Lab, before: Sample, second: float) -> Sample:
    """Return a sample once the daemon holds no more than before, or the last one of some time.

    Connections to a registry stay open for a while after a pull.
    """
    for _ in range(int(CLEAN_SECONDS)):
        after = Sample.take(lab.bridge.daemon, second)
        if not kept(before, after):
            break
        await asyncio.sleep(1)
    return after


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak; return the exit code."""
    parser = argparse.ArgumentParser(prog="lab.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--workers", type=int, default=4, help="pods at a time (default: 4)")
    parser.add_argument("--kill", type=float, default=0, metavar="S", help="kill the daemon this often")
    parser.add_argument(
        "--kill-containerd", type=float, default=0, metavar="SECONDS", help="kill containerd this often"
    )
    parser.add_argument("--seed", type=int, default=1, help="for the order of lives (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="TOML", help="a setting of the daemon")
    given = parser.parse_args(arguments)
    options = Options(given.minutes * 60, given.workers, given.kill, given.kill_containerd, given.seed)
    soak, wrong = asyncio.run(soaked(options, tomllib.loads("\n".join(given.set))))
    lives = ", ".join(f"{name} {count}" for name, count in sorted(soak.lives.items()))
    sys.stdout.write(f"{soak.lives.total()} lives ({lives}), {soak.broken_off} broken off by {soak.kills} kills\n")
    sys.stdout.write("".join(f"does not hold: {line}\n" for line in wrong) or "all of it holds\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
