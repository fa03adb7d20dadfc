"""ListPodSandboxStats: list what ready pods use, with their network and their containers; other pods are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_stats_list import container_subjects, fill_stats, measured_layers
from cri_shim.rpc.one_of import one_of
from cri_shim.rpc.sandbox_list import matching
from cri_shim.stats.combine import sum_readings
from cri_shim.stats.messages import fill_pod
from cri_shim.stats.reader import Subject
from cri_shim.stats.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from cri_shim.rpc.container_stats_list import Layers
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.stats.values import Reading


async def list_pod_sandbox_stats(
    service: Service, request: cri.ListPodSandboxStatsRequest
) -> cri.ListPodSandboxStatsResponse:
    """Return the statistics of all ready pods that match the filter: id (or a prefix of it), and every label."""
    response = cri.ListPodSandboxStatsResponse()
    await add_pods(service, measurable(service.sandboxes, request.filter), response.stats)
    return response


def measurable(sandboxes: Index[Sandbox], wanted: cri.PodSandboxStatsFilter) -> list[Sandbox]:
    """Return the ready pods that match ``wanted``."""
    wider = cri.PodSandboxFilter(id=wanted.id, label_selector=wanted.label_selector)
    return [sandbox for sandbox in matching(sandboxes, wider) if sandbox.ready]


async def add_pods(service: Service, sandboxes: Sequence[Sandbox], messages: Any) -> None:
    """Add the statistics of ready pods to a repeated field."""
    await measure_pods(service, sandboxes, lambda pod: one_of(messages, "sandbox statistics", pod.id))


async def measure_pods(
    service: Service,
    sandboxes: Sequence[Sandbox],
    new: Callable[[Sandbox], AbstractContextManager[cri.PodSandboxStats]],
) -> None:
    """Measure ready pods, and put the statistics of each into a message that ``new`` makes."""
    members = members_of(service.containers, sandboxes)
    containers = [container for group in members.values() for container in group]
    layers = await measured_layers(service.config, service.sandboxes, service.snapshot_usage, containers)
    readings = await service.stats.read([*sandbox_subjects(sandboxes), *container_subjects(containers)], count=True)
    for sandbox in sandboxes:
        with new(sandbox) as stats:
            _fill_pod(stats, sandbox, members[sandbox.id], readings, layers)


def _fill_pod(
    stats: cri.PodSandboxStats,
    sandbox: Sandbox,
    members: Sequence[Container],
    readings: Mapping[str, Reading],
    layers: Layers,
) -> None:
    attributes = stats.attributes
    attributes.id = sandbox.id
    attributes.metadata.CopyFrom(sandbox.config.metadata)
    attributes.labels.MergeFrom(sandbox.config.labels)
    attributes.annotations.MergeFrom(sandbox.config.annotations)
    processes = _processes(readings[one.id] for one in members if one.id in readings)
    fill_pod(stats.linux, whole_pod(sandbox, members, readings), processes)
    for container in members:
        with one_of(stats.linux.containers, "container statistics", container.id) as of_container:
            fill_stats(of_container, container, readings, layers)


def members_of(containers: Index[Container], sandboxes: Iterable[Sandbox]) -> dict[str, list[Container]]:
    """Return the containers of each pod, by the pod's id."""
    members: dict[str, list[Container]] = {sandbox.id: [] for sandbox in sandboxes}
    for container in containers:
        if container.sandbox_id in members:
            members[container.sandbox_id].append(container)
    return members


def sandbox_subjects(sandboxes: Iterable[Sandbox]) -> list[Subject]:
    """Return what to measure of ready pods: the pod's cgroup, if the kubelet named one, and the pod's own network."""
    return [
        Subject(
            sandbox.id,
            sandbox.pid,
            pod=has_cgroup(sandbox),
            network=not sandbox.host_network,
            cgroup_parent=sandbox.config.linux.cgroup_parent if sandbox.pinned else "",
            netns=sandbox.netns_path if sandbox.pinned else "",
        )
        for sandbox in sandboxes
        if sandbox.ready
    ]


def has_cgroup(sandbox: Sandbox) -> bool:
    """Return whether the cgroup around the sandbox is the pod's own; without a parent in the request, pods share it."""
    return bool(sandbox.config.linux.cgroup_parent)


def whole_pod(sandbox: Sandbox, containers: Iterable[Container], readings: Mapping[str, Reading]) -> Reading:
    """Return the reading of the pod's cgroup, or the sum over its parts if it has none."""
    own = readings.get(sandbox.id, NOTHING)
    if has_cgroup(sandbox):
        return own
    parts = [readings[container.id] for container in containers if container.id in readings]
    return sum_readings(own, parts, has_process=sandbox.pinned is None)


def _processes(readings: Iterable[Reading]) -> int | None:
    """Return the sum of the processes that could be counted; None if none could."""
    counts = [reading.processes for reading in readings if reading.processes is not None]
    return sum(counts) if counts else None
