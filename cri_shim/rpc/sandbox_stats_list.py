"""ListPodSandboxStats: what pods use, with their network and their containers. Pods that are not ready are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_stats_list import container_subjects, fill_stats, measured_layers
from cri_shim.rpc.one_of import one_of
from cri_shim.rpc.sandbox_list import matching
from cri_shim.stats.combine import together
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
    """The statistics of all ready pods that fit the filter: id (or a prefix of it), and every label."""
    response = cri.ListPodSandboxStatsResponse()
    await add_pods(service, measurable(service.sandboxes, request.filter), response.stats)
    return response


def measurable(sandboxes: Index[Sandbox], wanted: cri.PodSandboxStatsFilter) -> list[Sandbox]:
    """The ready pods that ``wanted`` lets through."""
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
    """The statistics of ready pods, each into a message that ``new`` gives."""
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
    """The containers of each pod, by its id."""
    members: dict[str, list[Container]] = {sandbox.id: [] for sandbox in sandboxes}
    for container in containers:
        if container.sandbox_id in members:
            members[container.sandbox_id].append(container)
    return members


def sandbox_subjects(sandboxes: Iterable[Sandbox]) -> list[Subject]:
    """What to measure of ready pods: the pod's cgroup, where the kubelet named one, and its own network."""
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
    """Whether the cgroup around the sandbox is the pod's; without a parent in the request it is everybody's."""
    return bool(sandbox.config.linux.cgroup_parent)


def whole_pod(sandbox: Sandbox, containers: Iterable[Container], readings: Mapping[str, Reading]) -> Reading:
    """The reading of the pod's cgroup, or else the sum over its parts."""
    own = readings.get(sandbox.id, NOTHING)
    if has_cgroup(sandbox):
        return own
    parts = [readings[container.id] for container in containers if container.id in readings]
    return together(own, parts, has_process=sandbox.pinned is None)


def _processes(readings: Iterable[Reading]) -> int | None:
    """The sum of what could be counted; None when nothing could."""
    counts = [reading.processes for reading in readings if reading.processes is not None]
    return sum(counts) if counts else None
