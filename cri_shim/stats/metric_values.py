"""Turn measurements into the numbers of metrics: each function returns pairs of extra labels and a value.

Pure. A number that this node does not have gives no pair, so the metric is missing there instead of being 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.stats.values import Details, Processes, Reading

Values = Iterable[tuple[tuple[str, ...], int]]
Give = Callable[["Measured"], Values]

_SECOND = 1_000_000_000


class FileSystem(Struct, frozen=True):
    """The file system that writable layers are on."""

    device: str
    bytes: int
    inodes: int
    inodes_free: int


class Measured(Struct, frozen=True):
    """Everything that is known of a container or pod when its metrics are made."""

    at_ns: int
    reading: Reading
    details: Details | None = None
    processes: Processes | None = None
    started_ns: int = 0
    layer_bytes: int | None = None
    file_system: FileSystem | None = None
    devices: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Names of block devices; a device that is not in the mapping is named by its numbers."""


def _one(value: int | None) -> Values:
    return () if value is None else (((), value),)


def _seconds(nanoseconds: int | None) -> Values:
    return () if nanoseconds is None else (((), nanoseconds // _SECOND),)


def detail(name: str) -> Give:
    """Return the getter of a number of :class:`~cri_shim.stats.values.Details`."""
    return lambda measured: _one(getattr(measured.details, name, None))


def memory(name: str) -> Give:
    """Return the getter of a number of :class:`~cri_shim.stats.values.Memory`."""
    return lambda measured: _one(None if (u := measured.reading.usage) is None else getattr(u.memory, name, None))


def processes(name: str) -> Give:
    """Return the getter of a number of :class:`~cri_shim.stats.values.Processes`."""
    return lambda measured: _one(getattr(measured.processes, name, None))


def cpu_seconds(measured: Measured) -> Values:
    """Return the CPU time; the kubelet does not split it by CPU either."""
    usage = measured.reading.usage
    return () if usage is None or usage.cpu_ns is None else ((("total",), usage.cpu_ns // _SECOND),)


def user_seconds(measured: Measured) -> Values:
    """Return the CPU time in user mode."""
    return _seconds(getattr(measured.details, "cpu_user_ns", None))


def system_seconds(measured: Measured) -> Values:
    """Return the CPU time in the kernel."""
    return _seconds(getattr(measured.details, "cpu_system_ns", None))


def throttled_seconds(measured: Measured) -> Values:
    """Return the time in which the quota was used up."""
    return _seconds(getattr(measured.details, "throttled_ns", None))


def _pressure(resource: str, kind: str) -> Give:
    def give(measured: Measured) -> Values:
        pressure = getattr(measured.reading.usage, f"{resource}_pressure", None)
        return _seconds(getattr(getattr(pressure, kind, None), "total_ns", None))

    return give


def waiting(resource: str) -> Give:
    """Return the getter of the time in which some tasks waited."""
    return _pressure(resource, "some")


def stalled(resource: str) -> Give:
    """Return the getter of the time in which all tasks waited."""
    return _pressure(resource, "full")


def swap_usage(measured: Measured) -> Values:
    """Return the swap in use."""
    usage = measured.reading.usage
    return () if usage is None or usage.swap is None else (((), usage.swap.usage),)


def memory_limit(measured: Measured) -> Values:
    """Return the limit, 0 for none."""
    usage = measured.reading.usage
    return () if usage is None or usage.memory is None else (((), usage.memory.limit or 0),)


def page_faults(measured: Measured) -> Values:
    """Return the page faults, the same for both scopes: a container's cgroup and all below it count as one here."""
    usage = measured.reading.usage
    if usage is None or usage.memory is None:
        return ()
    counts = (("pgfault", usage.memory.page_faults), ("pgmajfault", usage.memory.major_page_faults))
    return [((kind, scope), value) for scope in ("container", "hierarchy") for kind, value in counts]


def huge_pages_usage(measured: Measured) -> Values:
    """Return the huge pages by size."""
    return [] if measured.details is None else [((pages.size,), pages.usage) for pages in measured.details.huge_pages]


def huge_pages_highest(measured: Measured) -> Values:
    """Return the most huge pages by size, where the kernel records it."""
    pages = () if measured.details is None else measured.details.huge_pages
    return [((one.size,), one.highest) for one in pages if one.highest is not None]


def layer_bytes(measured: Measured) -> Values:
    """Return the size of the container's own layer."""
    device = "" if measured.file_system is None else measured.file_system.device
    return () if measured.layer_bytes is None else (((device,), measured.layer_bytes),)


def fs_bytes(measured: Measured) -> Values:
    """Return the size of the layer's file system."""
    return () if (fs := measured.file_system) is None else (((fs.device,), fs.bytes),)


def fs_inodes(measured: Measured) -> Values:
    """Return the inodes of the layer's file system."""
    return () if (fs := measured.file_system) is None else (((fs.device,), fs.inodes),)


def fs_inodes_free(measured: Measured) -> Values:
    """Return the free inodes of the layer's file system."""
    return () if (fs := measured.file_system) is None else (((fs.device,), fs.inodes_free),)


def _name(measured: Measured, major: int, minor: int) -> str:
    return measured.devices.get((major, minor), f"{major}:{minor}")


def _io(attribute: str, operation: str) -> Give:
    def give(measured: Measured) -> Values:
        io = () if measured.details is None else measured.details.io
        return [
            ((_name(measured, one.major, one.minor),), getattr(one, attribute))
            for one in io
            if one.operation == operation
        ]

    return give


def io_bytes(operation: str) -> Give:
    """Return the getter of bytes read or written, by device."""
    return _io("bytes", operation)


def io_count(operation: str) -> Give:
    """Return the getter of reads or writes, by device."""
    return _io("count", operation)


def by_device(measured: Measured) -> Values:
    """Return the bytes by device and operation."""
    io = () if measured.details is None else measured.details.io
    return [
        ((_name(measured, one.major, one.minor), str(one.major), str(one.minor), one.operation), one.bytes)
        for one in io
    ]


def soft_limits(measured: Measured) -> Values:
    """Return the soft limit of open files, the one limit that cAdvisor reports, too."""
    limit = None if measured.processes is None else measured.processes.open_files_limit
    return () if limit is None else ((("max_open_files",), limit),)


def last_seen(measured: Measured) -> Values:
    """Return the time of the measurement; nothing if there was none."""
    usage = measured.reading.usage
    return () if usage is None else (((), usage.at_ns // _SECOND),)


def start_time(measured: Measured) -> Values:
    """Return the time of the start."""
    return (((), measured.started_ns // _SECOND),) if measured.started_ns else ()


def network(counter: str) -> Give:
    """Return the getter of a counter of each interface."""
    return lambda measured: [((one.name,), getattr(one, counter)) for one in measured.reading.interfaces]
