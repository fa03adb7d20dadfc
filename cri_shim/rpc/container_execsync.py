"""ExecSync: run a command in a container and answer with its output and exit code.

Output is kept up to 16 MiB per stream and discarded beyond, while the command goes on. A timeout kills the command
(only the command) and answers DEADLINE_EXCEEDED, which the kubelet reads as "the probe timed out". A child that the
command left in the background may hold the output open: it is waited for only so long. A client that hangs up ends
the command.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from typing import TYPE_CHECKING

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import ContainerdError, NotFound
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import DeadlineExceededError, FailedPreconditionError, InvalidArgumentError
from cri_shim.logs import Capture, FifoSet
from cri_shim.oci.process import exec_process
from cri_shim.store.spec import read_spec

if TYPE_CHECKING:
    from containerd_client import Exit
    from cri_shim.service import Service
    from cri_shim.store.containers import Container

OUTPUT_LIMIT = 16 << 20
"""Bytes of each stream in the answer: what fits the kubelet's message limit (CVE-2022-31030)."""

_PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"
_AFTER_KILL = 10.0
_DRAIN_AFTER_KILL = 0.5

log = structlog.get_logger(__name__)


async def exec_sync(service: Service, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
    """Run ``cmd``; ``timeout`` seconds, 0 for no limit.

    Raises DeadlineExceededError on timeout, FailedPreconditionError when the container does not run, and what
    containerd or the OCI runtime could not do (a command that is not there).
    """
    if not request.cmd:
        raise InvalidArgumentError(f"exec in container {request.container_id!r} names no command")
    if request.timeout < 0:
        raise InvalidArgumentError(f"exec timeout {request.timeout} is negative; 0 means no limit")
    container = service.containers.get(request.container_id)
    if not container.running:
        raise FailedPreconditionError(
            f"container {container.id} is {container.state_word}; a command needs a running container"
        )
    return await _run(service, container, request)


async def _run(service: Service, container: Container, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
    exec_id = secrets.token_hex(32)
    tasks = service.containerd.tasks
    record = await service.containerd.containers.get(container.id)
    process = exec_process(read_spec(record)["process"], request.cmd, tty=False)
    directory = service.paths.container_state(container.id) / f"exec-{exec_id}"
    fifos = FifoSet.create(str(directory), exec_id, stdin=False, tty=False)
    capture = Capture(*fifos.open_readers(), limit=OUTPUT_LIMIT)
    try:
        await tasks.exec(
            container.id, exec_id, spec=_packed(process), stdout=fifos.stdout, stderr=fifos.stderr, terminal=False
        )
        await tasks.start(container.id, exec_id)
        exit_ = await _wait(service, container.id, exec_id, request, capture)
        drain = service.config.runtime.drain_exec_sync_io_timeout
        if not await capture.drained(drain or None):
            log.info("exec.output_still_open", container_id=container.id, exec_id=exec_id, waited_seconds=drain)
        return cri.ExecSyncResponse(stdout=capture.stdout, stderr=capture.stderr, exit_code=exit_.code)
    finally:
        await service.operations.run(f"exec-end/{exec_id}", lambda: _end(service, container.id, exec_id))
        capture.close()
        fifos.remove()


async def _wait(
    service: Service, container_id: str, exec_id: str, request: cri.ExecSyncRequest, capture: Capture
) -> Exit:
    tasks = service.containerd.tasks
    try:
        async with asyncio.timeout(request.timeout or None):
            return await tasks.wait(container_id, exec_id)
    except TimeoutError:
        await tasks.kill(container_id, signal.SIGKILL, exec_id=exec_id)
        try:
            async with asyncio.timeout(_AFTER_KILL):
                await tasks.wait(container_id, exec_id)
        except TimeoutError:
            log.warning("exec.survived_kill", container_id=container_id, exec_id=exec_id)
        await capture.drained(_DRAIN_AFTER_KILL)
        command = " ".join(request.cmd)
        raise DeadlineExceededError(
            f"command {command!r} in container {container_id} timed out: timeout {request.timeout}s exceeded"
        ) from None


async def _end(service: Service, container_id: str, exec_id: str) -> None:
    """Leave no exec process behind: kill it if it still runs, and delete its record."""
    tasks = service.containerd.tasks
    try:
        await tasks.delete_process(container_id, exec_id)
    except NotFound:
        return
    except ContainerdError:
        try:
            await tasks.kill(container_id, signal.SIGKILL, exec_id=exec_id)
            async with asyncio.timeout(_AFTER_KILL):
                await tasks.wait(container_id, exec_id)
            await tasks.delete_process(container_id, exec_id)
        except NotFound:
            return
        except (ContainerdError, TimeoutError) as error:
            log.warning("exec.not_deleted", container_id=container_id, exec_id=exec_id, error=str(error))


def _packed(process: object) -> AnyMessage:
    return AnyMessage(type_url=_PROCESS_TYPE, value=json.dumps(process, separators=(",", ":")).encode())
