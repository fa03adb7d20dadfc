"""The readings as plain values.

Memory is in bytes, time in nanoseconds, and None means that this node does not report the value.
"""

from __future__ import annotations

from msgspec import Struct


class Stall(Struct, frozen=True):
    """One line of a pressure file: shares of time in percent over 10, 60 and 300 s, and the total time."""

    avg10: float
    avg60: float
    avg300: float
    total_ns: int


class Pressure(Struct, frozen=True):
    """Time in which some or all tasks waited for a resource (PSI; cgroup v2 only)."""

    some: Stall
    full: Stall | None = None


class Memory(Struct, frozen=True):
    """Memory of a cgroup with all below it; a ``limit`` of None means no limit."""

    usage: int
    working_set: int
    limit: int | None
    rss: int
    cache: int
    mapped_file: int
    page_faults: int
    major_page_faults: int


class Swap(Struct, frozen=True):
    """Swap of a cgroup; ``available`` is None if nothing limits it."""

    usage: int
    available: int | None


class Usage(Struct, frozen=True):
    """One reading of a cgroup; ``at_ns`` is the time since 1970, ``monotonic_ns`` is for differences."""

    at_ns: int
    monotonic_ns: int
    cpu_ns: int | None = None
    memory: Memory | None = None
    swap: Swap | None = None
    cpu_pressure: Pressure | None = None
    memory_pressure: Pressure | None = None
    io_pressure: Pressure | None = None


class Interface(Struct, frozen=True):
    """The counters of one network interface since it was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


class DeviceIo(Struct, frozen=True):
    """Input or output of one block device; ``operation`` is "Read" or "Write"."""

    major: int
    minor: int
    operation: str
    bytes: int
    count: int


class HugePages(Struct, frozen=True):
    """Huge pages of one size ("2MB"); ``highest`` is None where the kernel does not record it (v2)."""

    size: str
    usage: int
    highest: int | None


class Details(Struct, frozen=True):
    """The values that only metrics need; limits that are not set are 0, as in cAdvisor."""

    cpu_user_ns: int | None = None
    cpu_system_ns: int | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    cpu_period_us: int | None = None
    cpu_quota_us: int | None = None
    cpu_shares: int | None = None
    memory_failures: int | None = None
    memory_highest: int | None = None
    memory_kernel: int | None = None
    memory_reservation: int | None = None
    swap_limit: int | None = None
    oom_kills: int | None = None
    threads: int | None = None
    threads_limit: int | None = None
    io: tuple[DeviceIo, ...] = ()
    huge_pages: tuple[HugePages, ...] = ()


class Processes(Struct, frozen=True):
    """The processes of a cgroup: how many they are, and what they have open."""

    count: int
    descriptors: int
    sockets: int
    open_files_limit: int | None = None


class Reading(Struct, frozen=True):
    """All that is known of one container or pod at one moment."""

    usage: Usage | None = None
    """None if the cgroup could not be read."""
    nano_cores: int | None = None
    """CPU time per second since the sample before; None without such a sample."""
    processes: int | None = None
    """Processes in its own cgroup; None if they were not requested or cannot be counted."""
    interfaces: tuple[Interface, ...] = ()
    cgroup_path: str = ""
    """The path as /proc/PID/cgroup shows it."""


NOTHING = Reading()
