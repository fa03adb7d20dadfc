"""ReopenContainerLog: go on in a new log file after the kubelet has renamed the old one, without losing output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.running import require_running
from cri_shim.os_errors import cri_error_of

if TYPE_CHECKING:
    from cri_shim.service import Service


async def reopen_container_log(
    service: Service, request: cri.ReopenContainerLogRequest
) -> cri.ReopenContainerLogResponse:
    """Open the log file of a running container again.

    Raises NotFoundError, FailedPreconditionError when the container does not run, and the operating system's error when
    the file cannot be opened; output then still goes to the old file.
    """
    container = require_running(
        service.sandboxes, service.containers, request.container_id, "its log cannot be reopened"
    )
    try:
        await service.logs.reopen(container.id)
    except OSError as error:
        refused = cri_error_of(error)
        raise type(refused)(f"log of container {container.id} cannot be reopened: {refused}") from error
    return cri.ReopenContainerLogResponse()
