"""Convert readings to CRI messages.

Pure. A value that was not measured is left unset, never 0, because the kubelet distinguishes the two. Messages are
filled in place, inside of their response; one made separately and assigned would be copied once more.

Sources: the comments of the CRI's .proto, and containerd internal/cri/server/container_stats_list.go for the formulas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.stats.values import Interface, Pressure, Reading, Stall, Usage

_DEFAULT_INTERFACE = "eth0"


def fill_container(stats: cri.ContainerStats, reading: Reading) -> None:
    """Fill the statistics of a container into ``stats``, except for its attributes and writable layer."""
    usage = reading.usage
    if usage is None:
        return
    _fill_cpu(stats.cpu, usage, reading.nano_cores)
    _fill_memory(stats.memory, usage)
    if usage.swap is not None:
        stats.swap.timestamp = usage.at_ns
        stats.swap.swap_usage_bytes.value = usage.swap.usage
        if usage.swap.available is not None:
            stats.swap.swap_available_bytes.value = usage.swap.available
    _fill_io(stats, usage)


def fill_pod(linux: cri.LinuxPodSandboxStats, reading: Reading, processes: int | None) -> None:
    """Fill the statistics of a pod into ``linux``, except for its containers.

    ``reading`` is of the pod as a whole, ``processes`` the sum over its containers.
    """
    usage = reading.usage
    if usage is None:
        return
    _fill_cpu(linux.cpu, usage, reading.nano_cores)
    _fill_memory(linux.memory, usage)
    _fill_io(linux, usage)
    if reading.interfaces:
        linux.network.timestamp = usage.at_ns
        for interface in reading.interfaces:
            if interface.name == _DEFAULT_INTERFACE:
                _fill_interface(linux.network.default_interface, interface)
            else:
                _fill_interface(linux.network.interfaces.add(), interface)
    if processes is not None:
        linux.process.timestamp = usage.at_ns
        linux.process.process_count.value = processes


def _fill_cpu(cpu: cri.CpuUsage, usage: Usage, nano_cores: int | None) -> None:
    if usage.cpu_ns is None:
        return
    cpu.timestamp = usage.at_ns
    cpu.usage_core_nano_seconds.value = usage.cpu_ns
    if nano_cores is not None:
        cpu.usage_nano_cores.value = nano_cores
    if usage.cpu_pressure is not None:
        _fill_pressure(cpu.psi, usage.cpu_pressure)


def _fill_memory(message: cri.MemoryUsage, usage: Usage) -> None:
    memory = usage.memory
    if memory is None:
        return
    message.timestamp = usage.at_ns
    message.working_set_bytes.value = memory.working_set
    message.available_bytes.value = 0 if memory.limit is None else max(0, memory.limit - memory.working_set)
    message.usage_bytes.value = memory.usage
    message.rss_bytes.value = memory.rss
    message.page_faults.value = memory.page_faults
    message.major_page_faults.value = memory.major_page_faults
    if usage.memory_pressure is not None:
        _fill_pressure(message.psi, usage.memory_pressure)


def _fill_io(message: cri.ContainerStats | cri.LinuxPodSandboxStats, usage: Usage) -> None:
    if usage.io_pressure is not None:
        message.io.timestamp = usage.at_ns
        _fill_pressure(message.io.psi, usage.io_pressure)


def _fill_pressure(message: cri.PsiStats, pressure: Pressure) -> None:
    _fill_stall(message.Some, pressure.some)
    if pressure.full is not None:
        _fill_stall(message.Full, pressure.full)


def _fill_stall(message: cri.PsiData, stall: Stall) -> None:
    message.Total = stall.total_ns
    message.Avg10, message.Avg60, message.Avg300 = stall.avg10, stall.avg60, stall.avg300


def _fill_interface(message: cri.NetworkInterfaceUsage, interface: Interface) -> None:
    message.name = interface.name
    message.rx_bytes.value = interface.rx_bytes
    message.rx_errors.value = interface.rx_errors
    message.tx_bytes.value = interface.tx_bytes
    message.tx_errors.value = interface.tx_errors
