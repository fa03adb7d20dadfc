"""Read a cgroup of version 1, which has one directory for each controller.

Blocking; call it in a thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cri_shim.stats.files import read, read_optional
from cri_shim.stats.parse import UNLIMITED, device_io_v1, limit, number, pairs
from cri_shim.stats.values import Details, DeviceIo, HugePages, Memory, Swap, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.kernel.cgroups import Cgroup

_NANOSECONDS_A_TICK = 10_000_000  # USER_HZ is 100 on every architecture that containerd runs on


def cpu_time(cgroup: Cgroup) -> int | None:
    """Return the CPU time in ns, including all cgroups below; None if the cgroup is gone."""
    return read_optional(f"{_at(cgroup, 'cpuacct')}/cpuacct.usage", number)


def usage(cgroup: Cgroup) -> Usage | None:
    """Return what the cgroup uses; None if it is gone."""
    monotonic_ns, at_ns = time.monotonic_ns(), time.time_ns()
    cpu_ns = cpu_time(cgroup)
    memory, swap = _memory(_at(cgroup, "memory"))
    if cpu_ns is None and memory is None:
        return None
    return Usage(at_ns, monotonic_ns, cpu_ns, memory, swap)


def _memory(directory: str) -> tuple[Memory | None, Swap | None]:
    stat = read_optional(f"{directory}/memory.stat", pairs)
    used = read_optional(f"{directory}/memory.usage_in_bytes", number)
    if stat is None or used is None:
        return None, None
    memory = Memory(
        usage=used,
        working_set=max(0, used - stat.get(b"total_inactive_file", 0)),
        limit=_limit(directory, stat),
        rss=stat.get(b"total_rss", 0),
        cache=stat.get(b"total_cache", 0),
        mapped_file=stat.get(b"total_mapped_file", 0),
        page_faults=stat.get(b"total_pgfault", 0),
        major_page_faults=stat.get(b"total_pgmajfault", 0),
    )
    return memory, _swap(stat)


def _limit(directory: str, stat: dict[bytes, int]) -> int | None:
    """Return the cgroup's own limit; None without one.

    memory.stat contains the lowest limit from here up. Where there is none, the cgroup's own file need not be read.
    """
    if stat.get(b"hierarchical_memory_limit", 0) > UNLIMITED:
        return None
    return read_optional(f"{directory}/memory.limit_in_bytes", limit)


def _swap(stat: dict[bytes, int]) -> Swap | None:
    """Return the swap in use and what is left of its limit; None without swap accounting.

    Without swap accounting memory.stat has no such line. v1 limits memory and swap together.
    """
    used = stat.get(b"total_swap")
    if used is None:
        return None
    both, memory = stat.get(b"hierarchical_memsw_limit", UNLIMITED), stat.get(b"hierarchical_memory_limit", UNLIMITED)
    return Swap(used, max(0, both - memory - used) if both < UNLIMITED and memory < UNLIMITED else None)


def details(cgroup: Cgroup, huge_page_sizes: Iterable[str] = ()) -> Details:
    """Return the values that only metrics need."""
    cpu, memory, pids = _at(cgroup, "cpu"), _at(cgroup, "memory"), _at(cgroup, "pids")
    ticks = read_optional(f"{_at(cgroup, 'cpuacct')}/cpuacct.stat", pairs) or {}
    throttling = read_optional(f"{cpu}/cpu.stat", pairs) or {}
    oom = read_optional(f"{memory}/memory.oom_control", pairs) or {}
    quota = read_optional(f"{cpu}/cpu.cfs_quota_us", number)
    return Details(
        cpu_user_ns=_ticks(ticks.get(b"user")),
        cpu_system_ns=_ticks(ticks.get(b"system")),
        periods=throttling.get(b"nr_periods"),
        throttled_periods=throttling.get(b"nr_throttled"),
        throttled_ns=throttling.get(b"throttled_time"),
        cpu_period_us=read_optional(f"{cpu}/cpu.cfs_period_us", number),
        cpu_quota_us=None if quota is None else max(0, quota),
        cpu_shares=read_optional(f"{cpu}/cpu.shares", number),
        memory_failures=read_optional(f"{memory}/memory.failcnt", number),
        memory_highest=read_optional(f"{memory}/memory.max_usage_in_bytes", number),
        memory_kernel=read_optional(f"{memory}/memory.kmem.usage_in_bytes", number),
        memory_reservation=read_optional(f"{memory}/memory.soft_limit_in_bytes", lambda text: limit(text) or 0),
        swap_limit=read_optional(f"{memory}/memory.memsw.limit_in_bytes", lambda text: limit(text) or 0),
        oom_kills=oom.get(b"oom_kill"),
        threads=read_optional(f"{pids}/pids.current", number),
        threads_limit=read_optional(f"{pids}/pids.max", lambda text: limit(text) or 0),
        io=_io(_at(cgroup, "blkio")),
        huge_pages=tuple(_huge_pages(_at(cgroup, "hugetlb"), huge_page_sizes)),
    )


def process_directory(cgroup: Cgroup) -> str:
    """Return a directory whose cgroup.procs lists the processes."""
    return _at(cgroup, "pids") or next(iter(cgroup.directories.values()))


def _io(directory: str) -> tuple[DeviceIo, ...]:
    prefix = f"{directory}/blkio.throttle.io_servic"
    try:
        return device_io_v1(read(f"{prefix}e_bytes_recursive"), read(f"{prefix}ed_recursive"))
    except (OSError, ValueError):
        return ()


def _huge_pages(directory: str, sizes: Iterable[str]) -> Iterable[HugePages]:
    for size in sizes:
        used = read_optional(f"{directory}/hugetlb.{size}.usage_in_bytes", number)
        if used is not None:
            yield HugePages(size, used, read_optional(f"{directory}/hugetlb.{size}.max_usage_in_bytes", number))


def _ticks(count: int | None) -> int | None:
    return None if count is None else count * _NANOSECONDS_A_TICK


def _at(cgroup: Cgroup, controller: str) -> str:
    """Return the directory of a controller; for one that is not mounted, a path where nothing exists."""
    return cgroup.directory(controller)
