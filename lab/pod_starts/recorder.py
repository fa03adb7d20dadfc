"""Start pods on one side, choose the start that took the median time, and put it into the form."""

from __future__ import annotations

import asyncio
import os
import platform
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.pod_starts.form import HOW, Step, problems
from lab.pod_starts.observed import Client
from lab.pod_starts.peers import Brought
from lab.pod_starts.quiet import wait_for_quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.pod_starts.observed import Observed
    from lab.pod_starts.sides import Side

CLIENT: Final = "a client in Python in the kubelet's place, on one connection"
_PATIENCE: Final = 30.0
"""Seconds to wait for a quiet moment before each start."""
_ATTEMPTS: Final = 4
"""Starts that are tried for each that is wanted."""


class IncompleteError(Exception):
    """Too few starts were observed completely."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many starts to observe after a first one that does not count, and the command as it was called."""

    starts: int
    command: str
    cgroup_parent: str


def record(side: Side, wanted: Wanted) -> dict[str, Any]:
    """Return the record of one side. Raises ``ValueError`` when what was observed does not have the form."""
    with ExitStack() as stack:
        endpoint = side.serve(stack)
        observed = asyncio.run(_start_pods(side, endpoint, wanted))
        versions = side.versions()
        if isinstance(side, Brought):
            side.close_taps()
        chosen = median_start(observed)
        made = {
            "architecture": side.name,
            "title": side.title,
            "recorded": datetime.now(UTC).date().isoformat(),
            "command": wanted.command,
            "client": CLIENT,
            "machine": machine(),
            "versions": versions,
            "starts": len(observed),
            "wall_ms": round(chosen.wall_ms, 3),
            "notes": side.remarks(),
            "not_observed": list(side.not_observed),
            **_in_order(side.steps(chosen)),
        }
    if wrong := problems(made):
        raise ValueError(f"{side.name}: {'; '.join(wrong)}")
    return made


async def _start_pods(side: Side, endpoint: str, wanted: Wanted) -> list[Observed]:
    observed = []
    image = f"{side.host}/busybox:1"
    async with Client(endpoint, image, side.directory.parent / f"{side.name}-logs", wanted.cgroup_parent) as client:
        for name in ("pause:1", "busybox:1"):
            await client.pull(f"{side.host}/{name}")
        for number in range(_ATTEMPTS * wanted.starts + 1):
            wait_for_quiet(_PATIENCE)
            one = await client.observe(side.daemons())
            side.after_each(one)
            await client.remove_pod(one.pod)
            # The first start fills caches. One in which a program's name could not be read is not complete.
            if number and one.executions.complete:
                observed.append(one)
            if len(observed) == wanted.starts:
                return observed
    raise IncompleteError(f"{side.name}: programs ended before their names could be read; is the machine busy?")


def median_start(observed: Sequence[Observed]) -> Observed:
    """Return the start with the median time; of an even number, the faster of the middle ones."""
    return sorted(observed, key=lambda one: one.wall_ms)[(len(observed) - 1) // 2]


def _in_order(steps: Sequence[Step]) -> dict[str, Any]:
    ordered = [_rounded(step) for step in sorted(steps, key=lambda step: (round(step.start_ms, 3), step.to))]
    return {
        "how": {name: HOW[name] for name in sorted({step.how for step in ordered})},
        "steps": [step.to_json() for step in ordered],
    }


def _rounded(step: Step) -> Step:
    return Step(step.from_, step.to, step.what, round(step.start_ms, 3), round(step.duration_ms, 3), step.how)


def machine() -> dict[str, Any]:
    """Return what a reader must know of this machine."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line
    )
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "distribution": release.get("PRETTY_NAME", "not known").strip('"'),
        "load": round(os.getloadavg()[0], 2),
    }
