"""Readings as CRI messages: what was not measured is unset."""

from __future__ import annotations

from typing import Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.stats.combine import sum_readings
from cri_shim.stats.messages import fill_container, fill_pod
from cri_shim.stats.metric_table import ALL, BASE_LABELS, OF_CONTAINERS, OF_PODS, Row, descriptors, fill_metrics
from cri_shim.stats.metric_values import FileSystem, Measured
from cri_shim.stats.values import (
    NOTHING,
    Details,
    DeviceIo,
    HugePages,
    Interface,
    Memory,
    Pressure,
    Processes,
    Reading,
    Stall,
    Swap,
    Usage,
)

PRESSURE = Pressure(Stall(1.0, 2.0, 3.0, 5_000_000_000), Stall(0.5, 0.25, 0.125, 4_000_000_000))
MEMORY = Memory(
    usage=1000, working_set=800, limit=3000, rss=500, cache=300, mapped_file=100, page_faults=70, major_page_faults=7
)
USAGE = Usage(
    at_ns=1_700_000_000_123_456_789,
    monotonic_ns=5,
    cpu_ns=7_500_000_000,
    memory=MEMORY,
    swap=Swap(10, 90),
    cpu_pressure=PRESSURE,
    memory_pressure=PRESSURE,
    io_pressure=PRESSURE,
)
ETH0, NET1 = Interface("eth0", 1, 2, 3, 4, 5, 6, 7, 8), Interface("net1", 11, 12, 13, 14, 15, 16, 17, 18)
FULL = Reading(USAGE, 250_000_000, 4, (NET1, ETH0), "/kubepods/pod1/x")


def container_stats(reading: Reading) -> cri.ContainerStats:
    """A message of a reading."""
    stats = cri.ContainerStats()
    fill_container(stats, reading)
    return stats


def pod_stats(reading: Reading, processes: int | None) -> cri.LinuxPodSandboxStats:
    """A message of a pod's reading."""
    stats = cri.LinuxPodSandboxStats()
    fill_pod(stats, reading, processes)
    return stats


def metrics(rows: tuple[Row, ...], base: tuple[str, ...], measured: Measured) -> list[cri.Metric]:
    """The metrics of some rows."""
    message = cri.ContainerMetrics()
    fill_metrics(message.metrics.add, rows, base, measured)
    return list(message.metrics)


def test_everything_of_a_container():
    """Each number is where CRI has it."""
    stats = container_stats(FULL)
    assert stats.cpu.usage_core_nano_seconds.value == 7_500_000_000
    assert stats.cpu.usage_nano_cores.value == 250_000_000
    assert stats.memory.working_set_bytes.value == 800
    assert stats.memory.available_bytes.value == 2200
    assert stats.memory.usage_bytes.value == 1000
    assert stats.memory.rss_bytes.value == 500
    assert (stats.memory.page_faults.value, stats.memory.major_page_faults.value) == (70, 7)
    assert (stats.swap.swap_usage_bytes.value, stats.swap.swap_available_bytes.value) == (10, 90)
    for psi in (stats.cpu.psi, stats.memory.psi, stats.io.psi):
        assert (psi.Some.Total, psi.Full.Total, psi.Some.Avg300) == (5_000_000_000, 4_000_000_000, 3.0)
    assert {stats.cpu.timestamp, stats.memory.timestamp, stats.swap.timestamp, stats.io.timestamp} == {USAGE.at_ns}


def test_a_container_that_cannot_be_measured():
    """Nothing is claimed of it, nor of a pod."""
    assert container_stats(NOTHING).ListFields() == []
    assert pod_stats(NOTHING, None).ListFields() == []


def test_no_sample_before():
    """usage_nano_cores is unset, not 0."""
    assert not container_stats(Reading(USAGE)).cpu.HasField("usage_nano_cores")
    assert container_stats(Reading(USAGE, 0)).cpu.HasField("usage_nano_cores")


def test_what_version_1_does_not_have():
    """No pressure, no io; swap without a limit has no "available"."""
    usage = Usage(1, 1, cpu_ns=0, memory=MEMORY, swap=Swap(0, None))
    stats = container_stats(Reading(usage))
    assert not stats.cpu.HasField("psi")
    assert not stats.HasField("io")
    assert stats.swap.HasField("swap_usage_bytes")
    assert not stats.swap.HasField("swap_available_bytes")


def test_a_pod():
    """eth0 is the default interface, the others are listed; processes are there."""
    stats = pod_stats(FULL, 6)
    assert stats.network.default_interface.name == "eth0"
    assert stats.network.default_interface.rx_bytes.value == 1
    assert stats.network.default_interface.tx_errors.value == 7
    assert [one.name for one in stats.network.interfaces] == ["net1"]
    assert stats.process.process_count.value == 6
    assert stats.memory.available_bytes.value == 2200


def test_a_pod_without_a_cgroup_is_the_sum_of_its_parts():
    """Sandbox and containers are added; one that could not be read adds nothing."""
    whole = sum_readings(Reading(USAGE, 5, 1, (ETH0,)), [Reading(USAGE, 7), NOTHING, Reading(USAGE)])
    assert whole.usage is not None
    assert whole.usage.memory is not None
    assert whole.usage.cpu_ns == 3 * 7_500_000_000
    assert whole.usage.memory.working_set == 2400
    assert whole.usage.memory.limit is None
    assert whole.nano_cores == 12
    assert whole.interfaces == (ETH0,)
    assert sum_readings(NOTHING, [FULL]) is NOTHING


# Every field that is a number; the last two are not.
_NUMBERS: dict[str, Any] = {name: 1_000_000_000 + at for at, name in enumerate(Details.__struct_fields__[:-2])}
_LISTS: dict[str, Any] = {
    "io": (DeviceIo(254, 0, "Read", 10, 1), DeviceIo(254, 0, "Write", 20, 2), DeviceIo(8, 0, "Read", 30, 3)),
    "huge_pages": (HugePages("2MB", 4, 8),),
}
EVERYTHING = Measured(
    at_ns=9,
    reading=FULL,
    details=Details(**_NUMBERS, **_LISTS),
    processes=Processes(3, 12, 2, 1024),
    started_ns=1_600_000_000_000_000_000,
    layer_bytes=4096,
    file_system=FileSystem("/dev/vda", 1 << 40, 1000, 900),
    devices={(254, 0): "/dev/vda"},
)


def test_every_metric_has_a_value_and_all_its_labels():
    """Where everything is known, each descriptor has values with as many labels as it promises, each set once."""
    base = ("id", "name", "image", "pod", "namespace", "container")
    samples = metrics(ALL, base, EVERYTHING)
    keys = {one.name: one.label_keys for one in descriptors()}
    assert {one.name for one in samples} == set(keys)
    assert all(len(one.label_values) == len(keys[one.name]) for one in samples)
    assert all(tuple(keys[name][: len(BASE_LABELS)]) == BASE_LABELS for name in keys)
    labels = [(one.name, tuple(one.label_values)) for one in samples]
    assert len(labels) == len(set(labels))
    assert all(one.help for one in descriptors())


def test_numbers_of_metrics():
    """Seconds are whole, devices have names where they are known, limits that are not set are 0."""
    base = ("",) * len(BASE_LABELS)
    values = {
        (one.name, *one.label_values[len(BASE_LABELS) :]): one.value.value for one in metrics(ALL, base, EVERYTHING)
    }
    assert values["container_cpu_usage_seconds_total", "total"] == 7
    assert values["container_fs_reads_bytes_total", "/dev/vda"] == 10
    assert values["container_fs_reads_total", "8:0"] == 3
    assert values["container_blkio_device_usage_total", "/dev/vda", "254", "0", "Write"] == 20
    assert values["container_memory_failures_total", "pgmajfault", "hierarchy"] == 7
    assert values["container_pressure_cpu_waiting_seconds_total",] == 5
    assert values["container_pressure_cpu_stalled_seconds_total",] == 4
    assert values["container_network_transmit_packets_total", "net1"] == 16
    assert values["container_start_time_seconds",] == 1_600_000_000
    unlimited = Reading(Usage(1, 1, memory=Memory(1, 1, None, 1, 1, 1, 1, 1)))
    (limit,) = [one for one in metrics(OF_PODS, base, Measured(1, unlimited)) if "memory_limit" in one.name]
    assert limit.value.value == 0


def test_what_is_not_known_has_no_metric():
    """A container that could not be read gives no metric with a made-up 0."""
    assert metrics(OF_CONTAINERS, ("",) * 6, Measured(9, NOTHING)) == []


def test_a_number_beyond_its_field_costs_only_itself():
    """A start in the year 1 by the file of another program, and a sum beyond 64 bits: the other metrics are there."""
    usual = metrics_of(Measured(1, FULL, started_ns=5_000_000_000, layer_bytes=1))
    odd = metrics_of(Measured(1, FULL, started_ns=-6_795_364_578_871_345_152, layer_bytes=1 << 64))
    assert usual - odd == {"container_start_time_seconds", "container_fs_usage_bytes"}


def metrics_of(measured: Measured) -> set[str]:
    """The names of the metrics of a container."""
    message = cri.ContainerMetrics()
    fill_metrics(message.metrics.add, OF_CONTAINERS, ("",) * len(BASE_LABELS), measured)
    return {metric.name for metric in message.metrics}
