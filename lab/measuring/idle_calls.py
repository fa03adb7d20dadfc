"""Measure what each request of a kubelet on a quiet node costs: ``python -m lab.measuring.idle_calls --pods 105``.

The plugin and the bridge hold the same number of idle pods and get the same requests in alternation. Only the CPU time
of the daemons counts (/proc/PID/task/*/schedstat), for each request and while none comes. The scenario ``steady`` says
how often a kubelet makes each request; multiplied by that, it is the cost of a minute.

``--output`` keeps the rounds as JSON, ``--page`` puts the tables of kept rounds into docs/performance.md, between
``<!-- idle calls NAME: begin -->`` and its end. A test holds the page to them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from cri_shim.bench.scenarios.steady import OF_WHAT_RUNS, RHYTHM
from lab.compare import PLUGIN_SETTINGS
from lab.lab import Lab
from lab.measuring.marked_tables import renewed
from lab.measuring.pod_memory import SUBNET_BITS, start
from lab.measuring.runtimes_page import DOCS, PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from lab.cri_client import CriClient

AT_ONCE: Final = 4
"""Pods that are started at a time."""
PERIOD: Final = 10.0
"""Seconds in which the calls of one request are made: how often either side does what it does by itself.

The plugin reads all snapshots and the bridge samples all containers (``stats_collect_period``). In less time that would
happen to some requests and not to others.
"""
REPEATS: Final = 20
"""Calls of each request in a round, except for those that a kubelet makes for one container after the other."""
OF_RUNNING: Final = " of what runs"
SPACED: Final = ", with pauses"
NOTHING: Final = "nothing"
"""The name of what the daemons do by themselves."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of all threads of the processes so far."""
    spent = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                spent += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return spent / 1e9


def calls_a_minute(containers: int) -> Counter[str]:
    """Return how often a kubelet makes each request in a minute."""
    calls: Counter[str] = Counter()
    for beat in RHYTHM:
        for rpc in beat.rpcs:
            calls[f"{rpc}{OF_RUNNING if beat.running else ''}"] += round(60 / beat.period)
        if beat.each:
            calls[beat.each] += round(60 / beat.period) * containers
    return calls


async def one_round(client: CriClient, pids: Sequence[int], containers: Sequence[str]) -> dict[str, float]:
    """Return the seconds of CPU time of one call of each request, and of one second without a request."""
    before = cpu_seconds(pids)
    await asyncio.sleep(PERIOD)
    nothing = (cpu_seconds(pids) - before) / PERIOD

    async def one(calls: Sequence[Callable[[], Awaitable[object]]], pause: float) -> float:
        """Return the seconds of one call, without what the daemons do by themselves in the pause before it."""
        before = cpu_seconds(pids)
        for call in calls:
            await asyncio.sleep(pause)
            await call()
        return max(0.0, (cpu_seconds(pids) - before) / len(calls) - nothing * pause)

    spent = {NOTHING: nothing}
    each = {beat.each for beat in RHYTHM if beat.each}
    for what in calls_a_minute(len(containers)):
        rpc = what.removesuffix(OF_RUNNING)
        call = getattr(client, rpc)
        if rpc in each:
            calls = [partial(call, container_id=id_) for id_ in containers]
            spent[what] = await one(calls, 0)
            spent[f"{rpc}{SPACED}"] = await one(calls, PERIOD / len(calls))
        else:
            fields = {"filter": OF_WHAT_RUNS[rpc].filter} if what != rpc else {}
            spent[what] = await one([partial(call, **fields)] * REPEATS, PERIOD / REPEATS)
    return spent


def table(rounds: Mapping[str, Sequence[Mapping[str, float]]], calls: Mapping[str, int]) -> str:
    """Return the medians of all rounds as a table in Markdown: milliseconds for one call, and for a minute of them."""
    sides = list(rounds)
    rows = [
        f"| request | calls a minute | {' | '.join(f'{side}, one | {side}, a minute' for side in sides)} |",
        f"| --- | ---: |{' ---: |' * 2 * len(sides)}",
    ]
    sums = dict.fromkeys(sides, 0.0)
    for rpc, number in sorted(({NOTHING: 60} | dict(calls)).items(), key=lambda each: -each[1]):
        cells = []
        for side in sides:
            one = median(each[rpc] for each in rounds[side])
            sums[side] += one * number
            cells += ["" if rpc == NOTHING else f"{one * 1000:.2f} ms", f"{one * number * 1000:.0f} ms"]
        rows.append(f"| {rpc} | {'' if rpc == NOTHING else number} | {' | '.join(cells)} |")
    rows.append(f"| all | | {' | '.join(f' | {total * 1000:.0f} ms' for total in sums.values())} |")
    for spaced in sorted(what for what in next(iter(rounds.values()))[0] if what.endswith(SPACED)):
        ones = (f"{median(each[spaced] for each in rounds[side]) * 1000:.2f} ms | " for side in sides)
        rows.append(f"| {spaced} | | {'| '.join(ones)}|")
    return "\n".join(rows)


def with_tables(page: str, data: Path) -> str:
    """Return the page with each table as the rounds kept in ``data`` give it."""

    def content(name: str) -> str:
        kept = json.loads((data / f"{name}.json").read_text(encoding="utf-8"))
        day = time.strftime("%Y-%m-%d, %H:%M UTC", time.gmtime(kept["started_at"]))
        number = len(kept["rounds"]["bridge"])
        source = f"{day}, medians of {number} rounds of each side: [data/{name}.json](data/{name}.json)."
        return f"{table(kept['rounds'], calls_a_minute(kept['pods']))}\n\n{source}\n"

    return renewed(page, "idle calls", content)


async def measure(pods: int, number: int) -> dict[str, list[dict[str, float]]]:
    """Start the pods on both sides and return the rounds of each, taken alternately."""
    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    async with (
        Lab("plugin", settings=dict(PLUGIN_SETTINGS), subnet_bits=SUBNET_BITS) as plugin,
        Lab("bridge", subnet_bits=SUBNET_BITS) as bridge,
    ):
        for lab in (plugin, bridge):
            await _start_all(lab, pods)
        pids = {
            "plugin": [plugin.containerd.daemon.pid],
            "bridge": [bridge.bridge.daemon.pid, bridge.containerd.daemon.pid],
        }
        await asyncio.sleep(PERIOD)
        for each in range(number):
            labs = [("plugin", plugin), ("bridge", bridge)]
            for side, lab in reversed(labs) if each % 2 else labs:
                answer = await lab.client.ListContainers()
                containers = [container.id for container in answer.containers]
                rounds[side].append(await one_round(lab.client, pids[side], containers))
    return rounds


async def _start_all(lab: Lab, pods: int) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await start(lab, number)

    await asyncio.gather(*(one(number) for number in range(pods)))


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m lab.measuring.idle_calls", description=__doc__)
    parser.add_argument("--pods", type=int, default=105, help="idle pods on each side (default: 105)")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each side (default: 6)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep the rounds as JSON")
    parser.add_argument("--page", action="store_true", help="measure nothing: renew the tables of docs/performance.md")
    options = parser.parse_args(arguments)
    if options.page:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), DOCS / "data"), encoding="utf-8")
        return 0
    started_at = time.time()
    rounds = asyncio.run(measure(options.pods, options.rounds))
    if options.output:
        kept = {"started_at": started_at, "pods": options.pods, "rounds": rounds}
        options.output.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table(rounds, calls_a_minute(options.pods)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
