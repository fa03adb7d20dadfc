"""ListContainerStats: what containers use. One that cannot be measured is listed with what is known of it.

Containers that do not run appear with their writable layer only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.handlers import snapshotter_of
from cri_shim.rpc.container_list import fitting
from cri_shim.rpc.one_of import one_of
from cri_shim.stats.messages import fill_container
from cri_shim.stats.reader import Subject
from cri_shim.stats.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cri_shim.service import Service
    from cri_shim.stats.values import Reading
    from cri_shim.store.containers import Container
    from cri_shim.store.snapshot_usage import Usage


async def list_container_stats(
    service: Service, request: cri.ListContainerStatsRequest
) -> cri.ListContainerStatsResponse:
    """The statistics of all containers that fit the filter: id and pod (or prefixes), and every label."""
    wanted = cri.ContainerFilter(
        id=request.filter.id,
        pod_sandbox_id=request.filter.pod_sandbox_id,
        label_selector=request.filter.label_selector,
    )
    containers = list(fitting(service.containers, wanted))
    readings = await service.stats.read(container_subjects(containers))
    response = cri.ListContainerStatsResponse()
    for container in containers:
        with one_of(response.stats, "container statistics", container.id) as stats:
            fill_stats(service, stats, container, readings)
    return response


def container_subjects(containers: Iterable[Container]) -> list[Subject]:
    """What of ``containers`` runs and can be measured."""
    return [
        Subject(container.id, container.status.pid)
        for container in containers
        if container.running and container.status.pid
    ]


def fill_stats(
    service: Service, stats: cri.ContainerStats, container: Container, readings: Mapping[str, Reading]
) -> None:
    """All that is known of a container; without a reading what is known without."""
    attributes = stats.attributes
    attributes.id = container.id
    attributes.metadata.CopyFrom(container.config.metadata)
    attributes.labels.MergeFrom(container.config.labels)
    attributes.annotations.MergeFrom(container.config.annotations)
    fill_container(stats, readings.get(container.id, NOTHING))
    snapshotter, layer = layer_usage(service, container)
    if layer is not None:  # unset until it has been measured once; 0 would be a claim
        stats.writable_layer.timestamp = layer.measured_ns
        stats.writable_layer.fs_id.mountpoint = service.snapshot_usage.mountpoint(snapshotter)
        stats.writable_layer.used_bytes.value = layer.bytes
        stats.writable_layer.inodes_used.value = layer.inodes


def layer_usage(service: Service, container: Container) -> tuple[str, Usage | None]:
    """The snapshotter that holds the container's own layer, and the layer's last measurement.

    A layer that has none yet is measured in the background: the next request finds it.
    """
    sandbox = service.sandboxes.find(container.sandbox_id) if container.sandbox_id else None
    name = "" if sandbox is None else sandbox.handler_name
    handler = service.config.containerd.runtimes.get(name or service.config.containerd.default_runtime_name)
    # A handler that has left the configuration since: its containers mostly lie where all others do.
    snapshotter = service.config.containerd.snapshotter if handler is None else snapshotter_of(service.config, handler)
    usage = service.snapshot_usage.usage(snapshotter, container.id)
    if usage is None:
        service.snapshot_usage.measure_soon(snapshotter, container.id)
    return snapshotter, usage
