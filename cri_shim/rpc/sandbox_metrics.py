"""ListPodSandboxMetrics: list cAdvisor's metrics for pods and running containers.

The kubelet asks for them when its feature gate PodAndContainerStatsFromCRI is on.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.executors import run
from cri_shim.rpc.container_stats_list import container_subjects, measured_layers
from cri_shim.rpc.one_of import one_of
from cri_shim.rpc.sandbox_stats_list import has_cgroup, members_of, sandbox_subjects, whole_pod
from cri_shim.stats.devices import device_name, file_system
from cri_shim.stats.metric_table import NETWORK, OF_CONTAINERS, OF_PODS, fill_metrics
from cri_shim.stats.metric_values import Measured
from cri_shim.stats.sampler import DETAILS_THREAD
from cri_shim.stats.values import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cri_shim.rpc.container_stats_list import Layers
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.stats.metric_values import FileSystem
    from cri_shim.stats.values import Details, Processes, Reading


async def list_pod_sandbox_metrics(
    service: Service, _request: cri.ListPodSandboxMetricsRequest
) -> cri.ListPodSandboxMetricsResponse:
    """Return the metrics of every ready pod; a value that cannot be read is missing, but never the whole pod."""
    response = cri.ListPodSandboxMetricsResponse()
    async with service.large_answers.of("metrics"):
        await add_metrics(service, [sandbox for sandbox in service.sandboxes if sandbox.ready], response.pod_metrics)
    return response


async def add_metrics(service: Service, sandboxes: Sequence[Sandbox], messages: Any) -> None:
    """Add the metrics of ready pods to a repeated field."""
    members = {
        id_: [container for container in group if container.running]
        for id_, group in members_of(service.containers, sandboxes).items()
    }
    running = [container for group in members.values() for container in group]
    subjects = [*sandbox_subjects(sandboxes), *container_subjects(running)]
    readings = await service.stats.read(subjects, count=True)
    details = await service.stats.details(subjects)
    layers = await measured_layers(service.config, service.sandboxes, service.snapshot_usage, running)
    mountpoints = {layer.snapshotter: layer.mountpoint for layer in layers.values()}
    file_systems, devices = await run(
        DETAILS_THREAD, _disks, mountpoints, [details_of_pod for details_of_pod, _ in details.values()]
    )
    view = _View(layers, readings, details, file_systems, devices)
    for sandbox in sandboxes:
        group = members[sandbox.id]
        with one_of(messages, "sandbox metrics", sandbox.id) as of_pod:
            of_pod.pod_sandbox_id = sandbox.id
            view.fill_pod(of_pod, sandbox, group)
            for container in group:
                with one_of(of_pod.container_metrics, "container metrics", container.id) as of_container:
                    of_container.container_id = container.id
                    view.fill_container(of_container, sandbox, container)
        # Each container has some fifty numbers, so give other tasks the loop between two pods.
        await asyncio.sleep(0)


def _disks(
    mountpoints: Mapping[str, str], details: Iterable[Details | None]
) -> tuple[dict[str, FileSystem | None], dict[tuple[int, int], str]]:
    """Return the file system of each snapshotter, and the names of all devices that were read or written."""
    numbers = {
        (one.major, one.minor) for details_of_pod in details if details_of_pod is not None for one in details_of_pod.io
    }
    return (
        {name: file_system(directory) for name, directory in mountpoints.items() if directory},
        {(major, minor): device_name(major, minor) for major, minor in numbers},
    )


class _View:
    """The measurements, and how to make metrics of them."""

    def __init__(
        self,
        layers: Layers,
        readings: Mapping[str, Reading],
        details: Mapping[str, tuple[Details | None, Processes | None]],
        file_systems: Mapping[str, FileSystem | None],
        devices: Mapping[tuple[int, int], str],
    ) -> None:
        self._layers = layers
        self._readings = readings
        self._details = details
        self._file_systems = file_systems
        self._devices = devices
        self._now_ns = time.time_ns()

    def fill_pod(self, target: cri.PodSandboxMetrics, sandbox: Sandbox, containers: Iterable[Container]) -> None:
        """Fill in the metrics of the pod's cgroup, if any, and of its network; the label ``container`` is empty."""
        reading = whole_pod(sandbox, containers, self._readings)
        details = self._details.get(sandbox.id, (None, None))[0] if has_cgroup(sandbox) else None
        measured = Measured(self._at(reading), reading, details, devices=self._devices)
        metadata = sandbox.config.metadata
        base = (reading.cgroup_path, sandbox.id, "", metadata.name, metadata.namespace, "")
        fill_metrics(target.metrics.add, OF_PODS if has_cgroup(sandbox) else NETWORK, base, measured)

    def fill_container(self, target: cri.ContainerMetrics, sandbox: Sandbox, container: Container) -> None:
        """Fill in the metrics of one container."""
        reading = self._readings.get(container.id, NOTHING)
        details, processes = self._details.get(container.id, (None, None))
        layer = self._layers[container.id]
        measured = Measured(
            self._at(reading),
            reading,
            details,
            processes,
            started_ns=container.status.started_at,
            layer_bytes=None if layer.usage is None else layer.usage.bytes,
            file_system=self._file_systems.get(layer.snapshotter),
            devices=self._devices,
        )
        metadata = sandbox.config.metadata
        image = container.config.image.user_specified_image or container.config.image.image
        base = (
            reading.cgroup_path,
            container.id,
            image,
            metadata.name,
            metadata.namespace,
            container.config.metadata.name,
        )
        fill_metrics(target.metrics.add, OF_CONTAINERS, base, measured)

    def _at(self, reading: Reading) -> int:
        return self._now_ns if reading.usage is None else reading.usage.at_ns
