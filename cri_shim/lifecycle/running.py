"""Check that a pod is ready or a container runs, and say why not.

For a start that failed after RunPodSandbox had answered, the errors hold the runtime's own words (docs/adr/0017); for
an unknown state they hold its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import FailedPreconditionError

if TYPE_CHECKING:
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


def require_ready(sandbox: Sandbox, consequence: str) -> None:
    """Raise FailedPreconditionError unless the pod is ready; ``consequence`` says what is impossible therefore."""
    if not sandbox.ready:
        raise FailedPreconditionError(f"sandbox {sandbox.id} {sandbox.unready_reason}; {consequence}")


def require_running(
    sandboxes: Index[Sandbox], containers: Index[Container], container_id: str, consequence: str
) -> Container:
    """Return the container if it runs; raises NotFoundError, or FailedPreconditionError with all that is known."""
    container = containers.get(container_id)
    if container.running:
        return container
    said = f"container {container.id} is {container.state_word}"
    said = f"{said}: {container.unknown_reason}" if container.unknown_reason else f"{said}, not running"
    sandbox = sandboxes.exact(container.sandbox_id)
    if sandbox is not None and not sandbox.ready and not container.status.started_at:
        said = f"{said}; its sandbox {sandbox.id} {sandbox.unready_reason}"
    raise FailedPreconditionError(f"{said}; {consequence}")
