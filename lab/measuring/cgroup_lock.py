"""Measure how long a move of a process into a cgroup takes: ``python -m lab.measuring.cgroup_lock``.

A process moves itself to where it is, as the daemon does (docs/adr/0022): first after a quiet moment, then at once
again, then after a pause in which the kernel has forgotten. The first line says whether the node has cgroup v1 or v2,
and what the process's cgroup passes on to children, which v2 does not allow in a cgroup with processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.tuning.cgroup_moves import rejoin_cgroup

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIFIED: Final = Path("/sys/fs/cgroup/cgroup.controllers")
PAUSES: Final = {"after 200 ms": 0.2, "at once again": 0.0, "after 5 ms": 0.005, "after 20 ms": 0.02}


def main() -> int:
    """Measure, and print the median and the range of each pause in milliseconds."""
    parser = argparse.ArgumentParser(prog="python -m lab.measuring.cgroup_lock", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="how often each is measured (default 40)")
    parser.add_argument("--output", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    unified = UNIFIED.exists()
    hierarchies = Hierarchies.read(unified=unified)
    own = hierarchies.own()
    passed_on = Path(own or "/", "cgroup.subtree_control")
    words = passed_on.read_text().strip() if unified and passed_on.exists() else ""
    print(f"cgroup {'v2' if unified else 'v1'}, {own}, passes on: {words or 'nothing'}")
    taken = measured(hierarchies, options.rounds)
    for what, times in taken.items():
        print(f"{what:16} {row(times)}", flush=True)
    if options.output is not None:
        options.output.write_text(json.dumps({"unified": unified, "milliseconds": taken}))
    return 0


def measured(hierarchies: Hierarchies, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each move, by the pause before it; raises OSError if the kernel refuses one."""
    taken: dict[str, list[float]] = {what: [] for what in PAUSES}
    for _ in range(rounds):
        for what, pause in PAUSES.items():
            time.sleep(pause)
            began = time.perf_counter()
            rejoin_cgroup(hierarchies)
            taken[what].append(1000 * (time.perf_counter() - began))
    return taken


def row(times: Sequence[float]) -> str:
    """Return a line of one kind of move."""
    tenths = statistics.quantiles(times, n=10)
    return f"median {statistics.median(times):7.2f} ms, 10 % to 90 % {tenths[0]:7.2f} to {tenths[-1]:7.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
