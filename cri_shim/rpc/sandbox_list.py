"""ListPodSandbox: list pods from memory, without a hop. An empty filter selects every pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.service import Service
    from cri_shim.state.sandboxes import Sandbox


async def list_pod_sandbox(service: Service, request: cri.ListPodSandboxRequest) -> bytes:
    """Return all pods that match the filter: id (or a prefix of it), state, and every label of the selector.

    The result is a serialised ListPodSandboxResponse.
    """
    wanted = request.filter
    if not (wanted.id or wanted.label_selector):
        return service.sandboxes.list_response(wanted.state.state if wanted.HasField("state") else None)
    return b"".join(sandbox.list_entry() for sandbox in matching(service.sandboxes, wanted))


def matching(sandboxes: Iterable[Sandbox], wanted: cri.PodSandboxFilter) -> Iterable[Sandbox]:
    """Yield the sandboxes that match ``wanted``; a field that is not set matches every sandbox."""
    # Each of these is read once: reading a message's field takes longer than the comparison.
    id_, selector = wanted.id, tuple(wanted.label_selector.items())
    state = wanted.state.state if wanted.HasField("state") else None
    for sandbox in sandboxes:
        if not sandbox.id.startswith(id_):
            continue
        if state is not None and sandbox.state != state:
            continue
        labels = sandbox.config.labels
        if all(labels.get(key) == value for key, value in selector):
            yield sandbox
