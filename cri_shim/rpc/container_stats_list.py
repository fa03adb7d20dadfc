"""ListContainerStats: list what containers use; one that cannot be measured is listed with what is known.

Containers that do not run appear with their writable layer only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.handlers import snapshotter_of
from cri_shim.rpc.container_list import matching
from cri_shim.rpc.one_of import one_of
from cri_shim.stats.messages import fill_container
from cri_shim.stats.reader import Subject
from cri_shim.stats.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cri_shim.config import Config
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.stats.values import Reading
    from cri_shim.sync.snapshot_usage import SnapshotUsage, Usage


class Layer(Struct, frozen=True):
    """A container's writable layer.

    It has the snapshotter that holds the layer, the snapshotter's mount point, and the last measurement, None before
    the first one.
    """

    snapshotter: str
    mountpoint: str
    usage: Usage | None


Layers = dict[str, Layer]


async def list_container_stats(
    service: Service, request: cri.ListContainerStatsRequest
) -> cri.ListContainerStatsResponse:
    """Return the statistics of all containers that match the filter: id and pod (or prefixes), and every label."""
    response = cri.ListContainerStatsResponse()
    await measure_containers(service, measurable(service.containers, request.filter), response.stats)
    return response


def measurable(containers: Index[Container], wanted: cri.ContainerStatsFilter) -> list[Container]:
    """Return the containers that match ``wanted``."""
    wider = cri.ContainerFilter(
        id=wanted.id, pod_sandbox_id=wanted.pod_sandbox_id, label_selector=wanted.label_selector
    )
    return list(matching(containers, wider))


async def measure_containers(service: Service, containers: Sequence[Container], messages: Any) -> None:
    """Add the statistics of ``containers`` to a repeated field."""
    layers = await measured_layers(service.config, service.sandboxes, service.snapshot_usage, containers)
    readings = await service.stats.read(container_subjects(containers))
    for container in containers:
        with one_of(messages, "container statistics", container.id) as stats:
            fill_stats(stats, container, readings, layers)


def container_subjects(containers: Iterable[Container]) -> list[Subject]:
    """Return what can be measured of ``containers``: those that run and whose process is known."""
    return [
        Subject(container.id, container.status.pid)
        for container in containers
        if container.running and container.status.pid
    ]


def fill_stats(
    stats: cri.ContainerStats,
    container: Container,
    readings: Mapping[str, Reading],
    layers: Layers,
) -> None:
    """Fill in everything that is known about a container; without a reading, only what needs none."""
    attributes = stats.attributes
    attributes.id = container.id
    attributes.metadata.CopyFrom(container.config.metadata)
    attributes.labels.MergeFrom(container.config.labels)
    attributes.annotations.MergeFrom(container.config.annotations)
    fill_container(stats, readings.get(container.id, NOTHING))
    layer = layers[container.id]
    if layer.usage is not None:  # unset while it cannot be measured; 0 would be a claim
        stats.writable_layer.timestamp = layer.usage.measured_ns
        stats.writable_layer.fs_id.mountpoint = layer.mountpoint
        stats.writable_layer.used_bytes.value = layer.usage.bytes
        stats.writable_layer.inodes_used.value = layer.usage.inodes


async def measured_layers(
    config: Config, sandboxes: Index[Sandbox], snapshot_usage: SnapshotUsage, containers: Sequence[Container]
) -> Layers:
    """Return the layer of each container, by the container's id.

    A layer that has never been measured is measured now, if that does not take long.
    """
    places = [(_snapshotter(config, sandboxes, container), container.id) for container in containers]
    await snapshot_usage.take_first(places)
    usages = snapshot_usage
    return {
        id_: Layer(snapshotter, usages.mountpoint(snapshotter), usages.usage(snapshotter, id_))
        for snapshotter, id_ in places
    }


def _snapshotter(config: Config, sandboxes: Index[Sandbox], container: Container) -> str:
    """Return the snapshotter that holds the container's own layer."""
    sandbox = sandboxes.exact(container.sandbox_id)
    name = "" if sandbox is None else sandbox.handler_name
    handler = config.containerd.runtimes.get(name or config.containerd.default_runtime_name)
    # When the handler is no longer configured, the container is usually where all others are.
    return config.containerd.snapshotter if handler is None else snapshotter_of(config, handler)
