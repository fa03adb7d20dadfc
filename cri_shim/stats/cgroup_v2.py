"""Read a cgroup of version 2, which is one directory for all controllers.

Blocking; call it in a thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cri_shim.kernel.cgroups import UNIFIED
from cri_shim.stats.files import read_optional
from cri_shim.stats.parse import cpu_max, device_io_v2, limit, number, pairs, pressure, shares_of_weight
from cri_shim.stats.values import Details, HugePages, Memory, Swap, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.kernel.cgroups import Cgroup


def cpu_time(cgroup: Cgroup) -> int | None:
    """Return the CPU time in ns, including all cgroups below; None if the cgroup is gone."""
    stat = read_optional(f"{cgroup.directory(UNIFIED)}/cpu.stat", pairs)
    return None if stat is None else stat.get(b"usage_usec", 0) * 1000


def usage(cgroup: Cgroup) -> Usage | None:
    """Return what the cgroup uses; None if it is gone."""
    directory = cgroup.directory(UNIFIED)
    monotonic_ns, at_ns = time.monotonic_ns(), time.time_ns()
    cpu_ns = cpu_time(cgroup)
    memory = _memory(directory)
    if cpu_ns is None and memory is None:
        return None
    return Usage(
        at_ns,
        monotonic_ns,
        cpu_ns,
        memory,
        _swap(directory),
        cpu_pressure=read_optional(f"{directory}/cpu.pressure", pressure),
        memory_pressure=read_optional(f"{directory}/memory.pressure", pressure),
        io_pressure=read_optional(f"{directory}/io.pressure", pressure),
    )


def _memory(directory: str) -> Memory | None:
    stat = read_optional(f"{directory}/memory.stat", pairs)
    used = read_optional(f"{directory}/memory.current", number)
    if stat is None or used is None:
        return None
    return Memory(
        usage=used,
        working_set=max(0, used - stat.get(b"inactive_file", 0)),
        limit=read_optional(f"{directory}/memory.max", limit),
        rss=stat.get(b"anon", 0),
        cache=stat.get(b"file", 0),
        mapped_file=stat.get(b"file_mapped", 0),
        page_faults=stat.get(b"pgfault", 0),
        major_page_faults=stat.get(b"pgmajfault", 0),
    )


def _swap(directory: str) -> Swap | None:
    used = read_optional(f"{directory}/memory.swap.current", number)
    if used is None:
        return None
    most = read_optional(f"{directory}/memory.swap.max", limit)
    return Swap(used, None if most is None else max(0, most - used))


def details(cgroup: Cgroup, huge_page_sizes: Iterable[str] = ()) -> Details:
    """Return the values that only metrics need."""
    directory = cgroup.directory(UNIFIED)
    cpu = read_optional(f"{directory}/cpu.stat", pairs) or {}
    memory = read_optional(f"{directory}/memory.stat", pairs) or {}
    events = read_optional(f"{directory}/memory.events", pairs) or {}
    quota, period = read_optional(f"{directory}/cpu.max", cpu_max) or (None, None)
    return Details(
        cpu_user_ns=_microseconds(cpu.get(b"user_usec")),
        cpu_system_ns=_microseconds(cpu.get(b"system_usec")),
        periods=cpu.get(b"nr_periods"),
        throttled_periods=cpu.get(b"nr_throttled"),
        throttled_ns=_microseconds(cpu.get(b"throttled_usec")),
        cpu_period_us=period,
        cpu_quota_us=quota,
        cpu_shares=read_optional(f"{directory}/cpu.weight", lambda text: shares_of_weight(number(text))),
        memory_failures=events.get(b"max"),
        memory_highest=read_optional(f"{directory}/memory.peak", number),
        memory_kernel=_kernel_memory(memory),
        memory_reservation=read_optional(f"{directory}/memory.low", lambda text: limit(text) or 0),
        swap_limit=read_optional(f"{directory}/memory.swap.max", lambda text: limit(text) or 0),
        oom_kills=events.get(b"oom_kill"),
        threads=read_optional(f"{directory}/pids.current", number),
        threads_limit=read_optional(f"{directory}/pids.max", lambda text: limit(text) or 0),
        io=read_optional(f"{directory}/io.stat", device_io_v2) or (),
        huge_pages=tuple(_huge_pages(directory, huge_page_sizes)),
    )


def process_directory(cgroup: Cgroup) -> str:
    """Return the directory whose cgroup.procs lists the processes."""
    return cgroup.directory(UNIFIED)


def _kernel_memory(stat: dict[bytes, int]) -> int | None:
    """Return the kernel memory; kernels before 5.18 do not report it as a sum, so it is added up."""
    whole = stat.get(b"kernel")
    if whole is not None or b"slab" not in stat:
        return whole
    return sum(stat.get(name, 0) for name in (b"slab", b"kernel_stack", b"pagetables", b"percpu", b"sock"))


def _huge_pages(directory: str, sizes: Iterable[str]) -> Iterable[HugePages]:
    for size in sizes:
        used = read_optional(f"{directory}/hugetlb.{size}.current", number)
        if used is not None:
            yield HugePages(size, used, None)


def _microseconds(value: int | None) -> int | None:
    return None if value is None else value * 1000
