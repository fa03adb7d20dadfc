"""ListContainers: list containers from memory, without a hop. An empty filter selects every container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.service import Service
    from cri_shim.state.containers import Container


async def list_containers(service: Service, request: cri.ListContainersRequest) -> bytes:
    """Return all containers that match the filter: id and pod (or prefixes), state, and every label of the selector.

    The result is a serialised ListContainersResponse.
    """
    if not request.filter.ByteSize():  # the kubelet sends a filter that is set but empty
        return service.containers.list_response()
    return b"".join(container.list_entry() for container in matching(service.containers, request.filter))


def matching(containers: Iterable[Container], wanted: cri.ContainerFilter) -> Iterable[Container]:
    """Yield the containers that match ``wanted``; a field that is not set matches every container."""
    selector = wanted.label_selector.items()
    by_state = wanted.HasField("state")
    for container in containers:
        if not container.id.startswith(wanted.id) or not container.sandbox_id.startswith(wanted.pod_sandbox_id):
            continue
        if by_state and container.state != wanted.state.state:
            continue
        labels = container.config.labels
        if all(labels.get(key) == value for key, value in selector):
            yield container
