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
    wanted = request.filter
    if not (wanted.id or wanted.pod_sandbox_id or wanted.label_selector):
        return service.containers.list_response(wanted.state.state if wanted.HasField("state") else None)
    return b"".join(container.list_entry() for container in matching(service.containers, wanted))


def matching(containers: Iterable[Container], wanted: cri.ContainerFilter) -> Iterable[Container]:
    """Yield the containers that match ``wanted``; a field that is not set matches every container."""
    # Each of these is read once: reading a message's field takes longer than the comparison.
    id_, sandbox_id, selector = wanted.id, wanted.pod_sandbox_id, tuple(wanted.label_selector.items())
    state = wanted.state.state if wanted.HasField("state") else None
    for container in containers:
        if not container.id.startswith(id_) or not container.sandbox_id.startswith(sandbox_id):
            continue
        if state is not None and container.state != state:
            continue
        labels = container.config.labels
        if all(labels.get(key) == value for key, value in selector):
            yield container
