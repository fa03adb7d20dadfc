"""What the explorer page shows about the pods that exist, beside their requests."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from cri_shim.explorer.pods_json import container_json, seconds
from cri_shim.status_text import status_text
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


def about_pods(sandboxes: Index[Sandbox], containers: Index[Container]) -> Callable[[], Iterable[Mapping[str, Any]]]:
    """Return the function that gives each existing pod with its containers; texts are clean and bounded."""

    def described() -> Iterable[Mapping[str, Any]]:
        of_pod: defaultdict[str, list[Container]] = defaultdict(list)
        for container in containers:
            of_pod[container.sandbox_id].append(container)
        return (_pod(sandbox, of_pod[sandbox.id]) for sandbox in list(sandboxes))  # each when it is asked for

    return described


def _pod(sandbox: Sandbox, containers: Iterable[Container]) -> dict[str, Any]:
    metadata = sandbox.config.metadata
    return {
        "id": sandbox.id,
        "namespace": escaped(metadata.namespace),
        "name": escaped(metadata.name),
        "uid": escaped(metadata.uid),
        "attempt": metadata.attempt,
        "state": "ready" if sandbox.ready else "not ready",
        "reason": "" if sandbox.ready else status_text(sandbox.unready_reason),
        "created_at": seconds(sandbox.created_at),
        "removed_at": None,
        "handler": sandbox.handler_name,
        "ips": [escaped(ip) for ip in sandbox.ips],
        "containers": [_container(one) for one in sorted(containers, key=lambda one: one.status.created_at)],
        "last_request": None,
    }


def _container(container: Container) -> dict[str, Any]:
    config = container.config
    return container_json(
        container.id,
        escaped(config.metadata.name),
        escaped(config.image.user_specified_image or config.image.image),
        container.state_word,
        container.status,
    )
