"""Attach: return a URL at which a client can read from a container's main process and write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.running import require_running
from cri_shim.rpc.container_exec import wanted_streams
from cri_shim.streaming.attach_session import AttachSession
from cri_shim.streaming.remote import RemoteRequest

if TYPE_CHECKING:
    from cri_shim.service import Service


async def attach(service: Service, request: cri.AttachRequest) -> cri.AttachResponse:
    """Return the URL of one attachment; several may be open at the same time.

    Raises InvalidArgumentError for streams that exclude each other, FailedPreconditionError when the container does not
    run, and ResourceExhaustedError when too many URLs wait for their clients.
    """
    wanted = wanted_streams(request)
    container = require_running(
        service.sandboxes, service.containers, request.container_id, "only a running container can be attached to"
    )
    session = AttachSession(
        service.containerd,
        container.id,
        service.logs,
        wanted,
        # A terminal's stdin has no end that could signal the end of the client's.
        stdin_once=container.config.stdin_once and not container.config.tty,
        container_ended=lambda: service.exits.wait(container.id),
    )
    return cri.AttachResponse(url=await service.streaming.url("attach", RemoteRequest(wanted, session.run)))
