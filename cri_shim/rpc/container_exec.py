"""Exec: return a URL at which a client can run a command in a container and exchange data with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.container.new_exec import new_exec
from cri_shim.lifecycle.running import require_running
from cri_shim.streaming.exec_session import ExecSession
from cri_shim.streaming.remote import RemoteRequest, RequestedStreams

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.streaming.exec_process import ExecProcess


async def exec_command(service: Service, request: cri.ExecRequest) -> cri.ExecResponse:
    """Return the URL of one command; the command starts when the client connects.

    Raises InvalidArgumentError for streams that exclude each other, FailedPreconditionError when the container does not
    run, and ResourceExhaustedError when too many URLs wait for their clients.
    """
    if not request.cmd:
        raise InvalidArgumentError(f"exec in container {request.container_id!r} names no command")
    wanted = wanted_streams(request)
    container = require_running(
        service.sandboxes, service.containers, request.container_id, "a command needs a running container"
    )

    async def make() -> ExecProcess:
        return await new_exec(service, container, request.cmd, tty=wanted.tty, stdin=wanted.stdin)

    session = ExecSession(
        make,
        wanted,
        service.operations,
        lambda: service.exits.wait(container.id),
        drain=service.config.runtime.drain_exec_sync_io_timeout,
    )
    return cri.ExecResponse(url=await service.streaming.url("exec", RemoteRequest(wanted, session.run)))


def wanted_streams(request: cri.ExecRequest | cri.AttachRequest) -> RequestedStreams:
    """Return the streams that an exec or attach asks for; raises InvalidArgumentError for an impossible combination."""
    if request.tty and request.stderr:
        raise InvalidArgumentError("tty and stderr exclude each other: a terminal has one output")
    if not (request.stdin or request.stdout or request.stderr):
        raise InvalidArgumentError("at least one of stdin, stdout and stderr must be requested")
    return RequestedStreams(request.stdin, request.stdout, request.stderr, request.tty)
