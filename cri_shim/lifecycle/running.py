"""What a request may need to be running, and the sentences that say why it is not: one place for all of them.

A start that failed after RunPodSandbox had answered is told here in the runtime's own words (docs/adr/0017), and what
is in doubt is told with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import FailedPreconditionError

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.store.containers import Container
    from cri_shim.store.sandboxes import Sandbox


def require_ready(sandbox: Sandbox, consequence: str) -> None:
    """Raise FailedPreconditionError unless the pod is ready; ``consequence``: what cannot be done therefore."""
    if not sandbox.ready:
        raise FailedPreconditionError(f"sandbox {sandbox.id} {sandbox.unready_reason}; {consequence}")


def require_running(service: Service, container_id: str, consequence: str) -> Container:
    """Return the container, which runs. Raises NotFoundError, and FailedPreconditionError with all that is known."""
    container = service.containers.get(container_id)
    if container.running:
        return container
    said = f"container {container.id} is {container.state_word}"
    if container.trouble:
        said = f"{said}: {container.trouble}"
    sandbox = service.sandboxes.find(container.sandbox_id) if container.sandbox_id else None
    if sandbox is not None and not sandbox.ready and not container.status.started_at:
        said = f"{said} and its sandbox {sandbox.id} {sandbox.unready_reason}"
    raise FailedPreconditionError(f"{said}; {consequence}")
