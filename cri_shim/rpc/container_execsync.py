"""ExecSync: run a command in a container and answer with its output and exit code.

The answer holds as much output as fits into one gRPC message. The rest is discarded while the command goes on, because
its exit code is what matters. A timeout kills the command (only the command) and answers DEADLINE_EXCEEDED, which the
kubelet reads as "the probe timed out". A child that the command left in the background may hold the output open. The
daemon waits only so long for it and then answers with an error, because output that may be partial must not look
complete. A client that hangs up ends the command.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError, DeadlineExceeded, Unavailable
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import (
    CriError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    UnavailableError,
)
from cri_shim.lifecycle.container.new_exec import new_exec
from cri_shim.lifecycle.running import require_running
from cri_shim.logs import Capture
from cri_shim.streaming.exec_process import AFTER_KILL, ExecProcess
from cri_shim.timeline import awaited
from untrusted import escaped

if TYPE_CHECKING:
    from containerd_client import Exit
    from cri_shim.service import Service
    from cri_shim.state.containers import Container

OUTPUT_LIMIT = (16 << 20) - 64
"""Bytes of output in the answer: what fits into the kubelet's message limit with the exit code (CVE-2022-31030)."""

LONGEST_WAIT = 10 * 365 * 86400
"""Seconds. A longer timeout makes no difference in practice, and the event loop cannot count that far."""

_DRAIN_AFTER_KILL = 0.5

log = structlog.get_logger(__name__)


class OutputHeldError(CriError):
    """The command ended, but a process that it left behind holds its output open.

    The code is UNKNOWN, as in the plugin's answer.
    """


async def exec_sync(service: Service, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
    """Run ``cmd`` for at most ``timeout`` seconds; 0 means no limit.

    Raises DeadlineExceededError on timeout, OutputHeldError when the output does not end with the command,
    FailedPreconditionError when the container does not run or ends first, UnavailableError when containerd or the shim
    does not answer, and the errors of containerd or the OCI runtime (for example for a command that does not exist).
    """
    if not request.cmd:
        raise InvalidArgumentError(f"exec in container {request.container_id!r} names no command")
    if request.timeout < 0:
        raise InvalidArgumentError(f"exec timeout {request.timeout} is negative; 0 means no limit")
    container = require_running(
        service.sandboxes, service.containers, request.container_id, "a command needs a running container"
    )
    try:
        return await _run(service, container, request)
    except DeadlineExceeded as error:
        # Of a hop, and not of the command: a kubelet would read this code as a probe that failed.
        raise UnavailableError(
            f"command {_shown(request)} in container {container.id}: its outcome is unknown, because containerd or "
            f"the shim does not answer ({error})"
        ) from error


async def _run(service: Service, container: Container, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
    process = await new_exec(service, container, request.cmd, tty=False, stdin=False)
    capture = Capture(*process.fifos.open_readers(), limit=OUTPUT_LIMIT)
    try:
        await process.start()
        with awaited("exit"):
            exit_ = await _wait(process, container.id, request, capture)
        drain = service.config.runtime.drain_exec_sync_io_timeout
        with awaited("output"):
            drained = await capture.drained(drain or None)
        if not drained:
            raise OutputHeldError(
                f"command {_shown(request)} in container {container.id} ended with exit code {exit_.code}, but its "
                f"output could not be drained within {drain:g}s because other processes still hold it open; "
                "redirect the output of what the command leaves in the background (drain_exec_sync_io_timeout)"
            )
        stdout, stderr = cut_to_fit(capture.stdout, capture.stderr)
        if capture.truncated or len(stdout) + len(stderr) < len(capture.stdout) + len(capture.stderr):
            log.info("exec.output_cut", container_id=container.id, exec_id=process.id, kept=len(stdout) + len(stderr))
        return cri.ExecSyncResponse(stdout=stdout, stderr=stderr, exit_code=exit_.code)
    finally:
        capture.close()
        # The answer does not depend on the removal, so the request does not wait for it.
        process.begin_removal(service.operations)


async def _wait(process: ExecProcess, container_id: str, request: cri.ExecSyncRequest, capture: Capture) -> Exit:
    try:
        async with asyncio.timeout(min(request.timeout, LONGEST_WAIT) or None):
            return await process.wait()
    except TimeoutError:
        try:
            await process.kill()
        except (DeadlineExceeded, Unavailable):
            raise
        except ContainerdError as error:
            log.debug("exec.not_killed", container_id=container_id, exec_id=process.id, error=str(error))
        try:
            async with asyncio.timeout(AFTER_KILL):
                await process.wait()
        except (TimeoutError, FailedPreconditionError, ContainerdError):
            log.warning("exec.survived_kill", container_id=container_id, exec_id=process.id)
        await capture.drained(_DRAIN_AFTER_KILL)
        raise DeadlineExceededError(
            f"command {_shown(request)} in container {container_id} timed out: timeout {request.timeout}s exceeded"
        ) from None


def cut_to_fit(stdout: bytes, stderr: bytes, limit: int = OUTPUT_LIMIT) -> tuple[bytes, bytes]:
    """Return the beginnings of both outputs, together at most ``limit`` bytes; each may always have half of them."""
    half = limit // 2
    length = min(len(stdout), max(half, limit - len(stderr)))
    return stdout[:length], stderr[: limit - length]


def _shown(request: cri.ExecSyncRequest) -> str:
    """Return the command in the form that an error text may contain."""
    return f"'{escaped(' '.join(request.cmd))}'"
