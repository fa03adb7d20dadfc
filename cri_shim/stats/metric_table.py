"""The metrics that ListMetricDescriptors promises and ListPodSandboxMetrics returns, one row each.

Pure. Names, units and labels are those of the kubelet's built-in cAdvisor, so that dashboards go on working. CRI's
values are whole numbers, so metrics named ``_seconds`` are in whole seconds. Limits that are not set are 0. (cadvisor
docs/storage/prometheus.md; kubelet pkg/kubelet/metrics/collectors/cri_metrics.go)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.stats import metric_values as of
from cri_shim.stats.parse import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cri_shim.stats.metric_values import Measured, Values

BASE_LABELS = ("id", "name", "image", "pod", "namespace", "container")
"""As in cAdvisor, ``id`` is the path of the cgroup and ``name`` the id of the container."""

_COUNTER, _GAUGE = cri.COUNTER, cri.GAUGE


class Row(Struct, frozen=True):
    """One metric: ``labels`` come after the base labels, ``values`` returns a number for each set of them."""

    name: str
    help: str
    type: cri.MetricType.ValueType
    values: Callable[[Measured], Values]
    labels: tuple[str, ...] = ()


def _row(
    name: str, type_: cri.MetricType.ValueType, help_: str, values: Callable[[Measured], Values], *labels: str
) -> Row:
    return Row(f"container_{name}", help_, type_, values, labels)


CPU = (
    _row("cpu_usage_seconds_total", _COUNTER, "CPU time used, in whole seconds.", of.cpu_seconds, "cpu"),
    _row("cpu_user_seconds_total", _COUNTER, "CPU time in user mode, in whole seconds.", of.user_seconds),
    _row("cpu_system_seconds_total", _COUNTER, "CPU time in the kernel, in whole seconds.", of.system_seconds),
    _row("cpu_cfs_periods_total", _COUNTER, "Enforcement periods of the CPU quota.", of.detail("periods")),
    _row("cpu_cfs_throttled_periods_total", _COUNTER, "Periods that were throttled.", of.detail("throttled_periods")),
    _row("cpu_cfs_throttled_seconds_total", _COUNTER, "Time spent throttled, in whole seconds.", of.throttled_seconds),
    _row("pressure_cpu_waiting_seconds_total", _COUNTER, "Some tasks waited for the CPU.", of.waiting("cpu")),
    _row("pressure_cpu_stalled_seconds_total", _COUNTER, "All tasks waited for the CPU.", of.stalled("cpu")),
)
MEMORY = (
    _row("memory_usage_bytes", _GAUGE, "Memory in use, page cache included.", of.memory("usage")),
    _row("memory_working_set_bytes", _GAUGE, "Memory in use less inactive files.", of.memory("working_set")),
    _row("memory_rss", _GAUGE, "Anonymous memory, in bytes.", of.memory("rss")),
    _row("memory_cache", _GAUGE, "Page cache, in bytes.", of.memory("cache")),
    _row("memory_mapped_file", _GAUGE, "Memory-mapped files, in bytes.", of.memory("mapped_file")),
    _row("memory_swap", _GAUGE, "Swap in use, in bytes.", of.swap_usage),
    _row("memory_kernel_usage", _GAUGE, "Kernel memory in use, in bytes.", of.detail("memory_kernel")),
    _row("memory_max_usage_bytes", _GAUGE, "The most memory it ever used.", of.detail("memory_highest")),
    _row("memory_failcnt", _COUNTER, "How often the memory limit was hit.", of.detail("memory_failures")),
    _row("memory_failures_total", _COUNTER, "Page faults by type and scope.", of.page_faults, "failure_type", "scope"),
    _row("oom_events_total", _COUNTER, "Processes killed because memory ran out.", of.detail("oom_kills")),
    _row("pressure_memory_waiting_seconds_total", _COUNTER, "Some tasks waited for memory.", of.waiting("memory")),
    _row("pressure_memory_stalled_seconds_total", _COUNTER, "All tasks waited for memory.", of.stalled("memory")),
    _row("hugetlb_usage_bytes", _GAUGE, "Huge pages in use, in bytes.", of.huge_pages_usage, "pagesize"),
    _row("hugetlb_max_usage_bytes", _GAUGE, "The most huge pages ever used.", of.huge_pages_highest, "pagesize"),
)
DISK = (
    _row("fs_usage_bytes", _GAUGE, "Bytes in the writable layer.", of.layer_bytes, "device"),
    _row("fs_limit_bytes", _GAUGE, "Size of the file system of the writable layer.", of.fs_bytes, "device"),
    _row("fs_inodes_total", _GAUGE, "Inodes of the file system of the writable layer.", of.fs_inodes, "device"),
    _row("fs_inodes_free", _GAUGE, "Free inodes of that file system.", of.fs_inodes_free, "device"),
    _row("fs_reads_bytes_total", _COUNTER, "Bytes read.", of.io_bytes("Read"), "device"),
    _row("fs_reads_total", _COUNTER, "Reads completed.", of.io_count("Read"), "device"),
    _row("fs_writes_bytes_total", _COUNTER, "Bytes written.", of.io_bytes("Write"), "device"),
    _row("fs_writes_total", _COUNTER, "Writes completed.", of.io_count("Write"), "device"),
    _row(
        "blkio_device_usage_total", _COUNTER, "Bytes by device.", of.by_device, "device", "major", "minor", "operation"
    ),
    _row("pressure_io_waiting_seconds_total", _COUNTER, "Some tasks waited for input or output.", of.waiting("io")),
    _row("pressure_io_stalled_seconds_total", _COUNTER, "All tasks waited for input or output.", of.stalled("io")),
)
PROCESSES = (
    _row("processes", _GAUGE, "Processes.", of.processes("count")),
    _row("threads", _GAUGE, "Threads.", of.detail("threads")),
    _row("threads_max", _GAUGE, "The most threads allowed.", of.detail("threads_limit")),
    _row("file_descriptors", _GAUGE, "Open file descriptors.", of.processes("descriptors")),
    _row("sockets", _GAUGE, "Open sockets.", of.processes("sockets")),
    _row("ulimits_soft", _GAUGE, "Soft limits of the first process.", of.soft_limits, "ulimit"),
    _row("last_seen", _GAUGE, "Time of the measurement, in seconds since 1970.", of.last_seen),
    _row("start_time_seconds", _GAUGE, "Time of the start, in seconds since 1970.", of.start_time),
)
SPEC = (
    _row("spec_cpu_period", _GAUGE, "CPU period, in microseconds.", of.detail("cpu_period_us")),
    _row("spec_cpu_quota", _GAUGE, "CPU quota, in microseconds.", of.detail("cpu_quota_us")),
    _row("spec_cpu_shares", _GAUGE, "CPU shares.", of.detail("cpu_shares")),
    _row("spec_memory_limit_bytes", _GAUGE, "Memory limit.", of.memory_limit),
    _row("spec_memory_reservation_limit_bytes", _GAUGE, "Memory reservation.", of.detail("memory_reservation")),
    _row("spec_memory_swap_limit_bytes", _GAUGE, "Swap limit.", of.detail("swap_limit")),
)
NETWORK = (
    _row("network_receive_bytes_total", _COUNTER, "Bytes received.", of.network("rx_bytes"), "interface"),
    _row("network_receive_packets_total", _COUNTER, "Packets received.", of.network("rx_packets"), "interface"),
    _row("network_receive_errors_total", _COUNTER, "Errors while receiving.", of.network("rx_errors"), "interface"),
    _row("network_receive_packets_dropped_total", _COUNTER, "Packets dropped.", of.network("rx_dropped"), "interface"),
    _row("network_transmit_bytes_total", _COUNTER, "Bytes sent.", of.network("tx_bytes"), "interface"),
    _row("network_transmit_packets_total", _COUNTER, "Packets sent.", of.network("tx_packets"), "interface"),
    _row("network_transmit_errors_total", _COUNTER, "Errors while sending.", of.network("tx_errors"), "interface"),
    _row(
        "network_transmit_packets_dropped_total",
        _COUNTER,
        "Packets dropped while sending.",
        of.network("tx_dropped"),
        "interface",
    ),
)
OF_CONTAINERS = (*CPU, *MEMORY, *DISK, *PROCESSES, *SPEC)
OF_PODS = (*CPU, *MEMORY, *SPEC, *NETWORK)
ALL = (*CPU, *MEMORY, *DISK, *PROCESSES, *SPEC, *NETWORK)


def descriptors() -> list[cri.MetricDescriptor]:
    """Return every row with its labels."""
    return [cri.MetricDescriptor(name=row.name, help=row.help, label_keys=(*BASE_LABELS, *row.labels)) for row in ALL]


def fill_metrics(
    new: Callable[..., cri.Metric], rows: Iterable[Row], base: tuple[str, ...], measured: Measured
) -> None:
    """Fill the rows that ``measured`` has values for, each into a message that ``new`` makes from its fields.

    ``base`` are the values of :data:`BASE_LABELS`. ``new`` is the ``add`` of a list in the response: there are some
    fifty messages for each container, and messages made separately would all be copied.
    """
    at_ns = measured.at_ns
    for row in rows:
        for labels, value in row.values(measured):
            if not 0 <= value <= LARGEST:
                continue  # a sum, or a time that another program has stored; the other numbers are good
            new(name=row.name, timestamp=at_ns, metric_type=row.type, label_values=base + labels).value.value = value
