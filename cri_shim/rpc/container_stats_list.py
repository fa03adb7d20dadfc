"""ListContainerStats: what containers use. One that cannot be measured is listed with what is known of it.

Containers that do not run appear with their writable layer only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.handlers import snapshotter_of
from cri_shim.rpc.container_list import fitting
from cri_shim.stats.messages import container_stats
from cri_shim.stats.reader import Subject
from cri_shim.stats.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    return cri.ListContainerStatsResponse(stats=stats_of(service, containers, readings))


def container_subjects(containers: Iterable[Container]) -> list[Subject]:
    """What of ``containers`` runs and can be measured."""
    return [
        Subject(container.id, container.status.pid)
        for container in containers
        if container.running and container.status.pid
    ]


def stats_of(
    service: Service, containers: Sequence[Container], readings: Mapping[str, Reading]
) -> list[cri.ContainerStats]:
    """The message of each container; those without a reading get what is known without."""
    return [
        container_stats(
            cri.ContainerAttributes(
                id=container.id,
                metadata=container.config.metadata,
                labels=container.config.labels,
                annotations=container.config.annotations,
            ),
            readings.get(container.id, NOTHING),
            _writable_layer(service, container),
        )
        for container in containers
    ]


def layer_usage(service: Service, container: Container) -> tuple[str, Usage | None]:
    """The snapshotter that holds the container's own layer, and the layer's last measurement."""
    sandbox = service.sandboxes.find(container.sandbox_id) if container.sandbox_id else None
    name = "" if sandbox is None else sandbox.runtime_handler
    handler = service.config.containerd.runtimes.get(name or service.config.containerd.default_runtime_name)
    # A handler that has left the configuration since: its containers mostly lie where all others do.
    snapshotter = service.config.containerd.snapshotter if handler is None else snapshotter_of(service.config, handler)
    return snapshotter, service.snapshot_usage.usage(snapshotter, container.id)


def _writable_layer(service: Service, container: Container) -> cri.FilesystemUsage | None:
    """Unset until it has been measured once; 0 would be a claim."""
    snapshotter, usage = layer_usage(service, container)
    if usage is None:
        return None
    return cri.FilesystemUsage(
        timestamp=usage.measured_ns,
        fs_id=cri.FilesystemIdentifier(mountpoint=service.snapshot_usage.mountpoint(snapshotter)),
        used_bytes=cri.UInt64Value(value=usage.bytes),
        inodes_used=cri.UInt64Value(value=usage.inodes),
    )
