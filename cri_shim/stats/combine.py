"""Add several readings up to one: a pod without a cgroup of its own is the sum of its parts.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.stats.values import Memory, Reading, Swap, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence


def sum_readings(sandbox: Reading, containers: Sequence[Reading], *, has_process: bool = True) -> Reading:
    """Return the sum over a sandbox and its containers, with the sandbox's network.

    Pressure values cannot be added and are left out. If the sandbox could not be read, there is no sum, unless it has
    no process that could be read. The rate is that of the parts that have one.
    """
    parts = [reading.usage for reading in (sandbox, *containers) if reading.usage is not None]
    if not parts or (has_process and sandbox.usage is None):
        return sandbox
    first = parts[0]
    rates = [reading.nano_cores for reading in (sandbox, *containers) if reading.nano_cores is not None]
    memories = [part.memory for part in parts if part.memory is not None]
    swaps = [part.swap for part in parts if part.swap is not None]
    times = [part.cpu_ns for part in parts if part.cpu_ns is not None]
    return Reading(
        usage=Usage(
            at_ns=first.at_ns,
            monotonic_ns=first.monotonic_ns,
            cpu_ns=sum(times) if times else None,
            memory=_memory(memories) if memories else None,
            swap=Swap(sum(swap.usage for swap in swaps), None) if swaps else None,
        ),
        nano_cores=sum(rates) if rates else None,
        processes=sandbox.processes,
        interfaces=sandbox.interfaces,
        cgroup_path=sandbox.cgroup_path,
    )


def _memory(parts: Sequence[Memory]) -> Memory:
    return Memory(
        usage=sum(part.usage for part in parts),
        working_set=sum(part.working_set for part in parts),
        limit=None,
        rss=sum(part.rss for part in parts),
        cache=sum(part.cache for part in parts),
        mapped_file=sum(part.mapped_file for part in parts),
        page_faults=sum(part.page_faults for part in parts),
        major_page_faults=sum(part.major_page_faults for part in parts),
    )
