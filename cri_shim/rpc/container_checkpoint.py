"""CheckpointContainer: write the processes and files of a running container into an archive; the container runs on.

Order: check · make the work directory, which marks the checkpoint · pause the container · have runc and criu write its
memory there · have containerd write the changes to its files · resume it · pack the archive · move it to its place.
criu is never cut short, because that could leave its code in the container's processes. A request whose time is over is
answered, and the result is discarded once criu is done. (CRI ``CheckpointContainerRequest``; containerd
``container_checkpoint_linux.go``, which ignores ``timeout`` and passes criu's images through the content store.)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import ContainerdError, NotFound, Unavailable, call_options, detached_options
from containerd_client.api.containerd.runc.v1 import runc_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    UnavailableError,
    UnimplementedError,
)
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.write_file import naming
from cri_shim.lifecycle.checkpoint.checkpoint_archive import (
    ROOTFS_DIFF,
    check_location,
    criu_complaint,
    write_archive,
    write_descriptions,
)
from cri_shim.lifecycle.checkpoint.criu import require_criu
from cri_shim.os_errors import cri_error_of
from cri_shim.rpc.container_status import status_of
from cri_shim.state.stored.spec import read_spec
from cri_shim.sync.checkpoint_work import RESUME_SECONDS, make_work, remove_work, resume, resume_again
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.config import Config
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

_OPTIONS_TYPE = "containerd.runc.v1.CheckpointOptions"
_RUNC = "io.containerd.runc."
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LEASE_SECONDS = 3600.0

log = structlog.get_logger(__name__)


async def checkpoint_container(
    service: Service, request: cri.CheckpointContainerRequest
) -> cri.CheckpointContainerResponse:
    """Write a checkpoint of a running container to ``location`` within ``timeout`` seconds (0: no limit).

    Raises NotFoundError, InvalidArgumentError (location, timeout), FailedPreconditionError (not running, no criu),
    UnimplementedError (a runtime other than runc), DeadlineExceededError, InternalError with criu's message, and
    UnavailableError for a container that stays paused for now: no archive is written then, because a client that finds
    one relies on the container running on.
    """
    id_ = service.containers.get(request.container_id).id
    if request.timeout < 0:
        raise InvalidArgumentError(
            f"checkpoint of container {id_}: timeout {request.timeout} is negative; 0 means no limit"
        )
    location = await run(FS, check_location, request.location)
    _running(service.containers, id_)
    _runs_runc(service.config, service.sandboxes, service.containers, id_)
    await require_criu()
    limit = request.timeout or None
    deadline = None if limit is None else time.monotonic() + limit
    try:
        async with asyncio.timeout(limit):
            await service.operations.run(
                f"checkpoint/{id_}/{id(request)}", lambda: _checkpoint(service, id_, location, deadline)
            )
    except TimeoutError as error:
        raise DeadlineExceededError(
            f"checkpoint of container {id_} was not finished within {request.timeout} s; nothing was written"
        ) from error
    return cri.CheckpointContainerResponse()


class _StillPausedError(UnavailableError):
    """containerd did not resume the container, or did not answer."""


async def _checkpoint(service: Service, id_: str, location: Path, deadline: float | None) -> None:
    begun = time.monotonic()
    async with service.locks.of(id_):
        container = _running(service.containers, id_)
        record = await service.containerd.containers.get(id_)
        async with _work(service, id_) as work:
            await run(
                FS,
                write_descriptions,
                work / "archive",
                status_of(service.images, container),
                name=container.name,
                runtime=record.runtime.name,
                spec=read_spec(record),
                status_file=service.paths.container_root(id_) / "status",
            )
            async with _paused(service.containerd, id_):
                await _write_memory(service.containerd, id_, work)
                async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                    await _write_files(service.containerd, record, work)
            try:
                await run(FS, write_archive, work, location, deadline)
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                refused = cri_error_of(error)
                raise type(refused)(
                    f"checkpoint of container {id_} cannot be written to {escaped(str(location))}: {refused}"
                ) from error
    log.info("container.checkpointed", container_id=id_, location=str(location), seconds=time.monotonic() - begun)


def _running(containers: Index[Container], id_: str) -> Container:
    container = containers.get(id_)
    if container.removing or not container.running:
        state = "being removed" if container.removing else container.state_word
        raise FailedPreconditionError(f"container {id_} is {state}; only a running container can be checkpointed")
    return container


def _runs_runc(config: Config, sandboxes: Index[Sandbox], containers: Index[Container], id_: str) -> None:
    sandbox = sandboxes.get(containers.get(id_).sandbox_id)
    handler = config.runtime_handler(sandbox.handler_name)
    if not handler.runtime_type.startswith(_RUNC):
        raise UnimplementedError(
            f"container {id_} runs under {handler.runtime_type} (runtime handler {handler.name!r}); "
            f"only containers under {_RUNC}v2 can be checkpointed"
        )


@contextlib.asynccontextmanager
async def _work(service: Service, id_: str) -> AsyncGenerator[Path, None]:
    """Make the work directory, and remove it afterwards; while the container is paused it stays as a mark."""
    try:
        work = await run(FS, make_work, service.paths, id_)
    except OSError as error:
        refused = cri_error_of(error)
        raise type(refused)(f"checkpoint of container {id_} cannot be started: {refused}") from error
    still_paused = False
    try:
        yield work
    except _StillPausedError:
        still_paused = True
        # A shutdown need not wait for it, because the next daemon finds the mark.
        service.operations.begin(
            f"checkpoint-resume/{id_}/{work.name}",
            lambda: resume_again(service.containerd, service.locks, id_, work),
            cut_at_shutdown=True,
        )
        raise
    finally:
        if not still_paused:
            await run(FS, remove_work, work)


@contextlib.asynccontextmanager
async def _paused(containerd: Containerd, id_: str) -> AsyncGenerator[None, None]:
    """Pause the container while the ``with`` block runs, and resume it afterwards.

    Raises _StillPausedError if the container may still be paused then.
    """
    try:
        await containerd.tasks.pause(id_)
        yield
    finally:
        # The call has its own time limit, because a pause that failed or was cancelled may have taken effect all the
        # same.
        with detached_options(), call_options(timeout=RESUME_SECONDS):
            try:
                await resume(containerd, id_)
            except ContainerdError as error:
                log.error("checkpoint.not_resumed", container_id=id_, error=str(error))
                raise _StillPausedError(
                    f"container {id_} may still be paused after its checkpoint, which was not written; "
                    f"cri-shim resumes it as soon as containerd does so: {error}"
                ) from error


async def _write_memory(containerd: Containerd, id_: str, work: Path) -> None:
    archive = work / "archive"
    options = runc_pb2.CheckpointOptions(image_path=str(archive / "checkpoint"), work_path=str(archive))
    packed = AnyMessage(type_url=_OPTIONS_TYPE, value=options.SerializeToString())
    try:
        await containerd.tasks.checkpoint(id_, options=packed)
    except NotFound as error:
        raise FailedPreconditionError(f"container {id_} has ended; there is nothing to checkpoint") from error
    except Unavailable:
        raise  # containerd has gone, which says nothing about criu
    except ContainerdError as error:
        said = await run(FS, criu_complaint, work)
        raise InternalError(f"checkpoint of container {id_} failed: {error}{said and f'; criu: {said}'}") from error


async def _write_files(containerd: Containerd, record: Record, work: Path) -> None:
    """Write the container's changes to its files, by way of containerd's content store.

    The lease removes everything from there again.
    """
    snapshots = containerd.snapshots(record.snapshotter)
    # Like the work directory, the view belongs to one attempt: a view that could not be removed stays until its lease
    # ends.
    key = f"{record.id}-{work.name}"
    async with containerd.leases.hold(expire_seconds=_LEASE_SECONDS):
        parent = (await snapshots.stat(record.snapshot_key)).parent
        try:
            layer = await containerd.diff.diff(
                await snapshots.view(key, parent),
                await snapshots.mounts(record.snapshot_key),
                media_type=_LAYER,
                ref=key,
            )
        finally:
            with detached_options(), call_options(timeout=RESUME_SECONDS), contextlib.suppress(NotFound):
                await snapshots.remove(key)
        target = work / "archive" / ROOTFS_DIFF
        await run(FS, target.touch, 0o600)
        async with contextlib.aclosing(containerd.content.read(layer.digest)) as pieces:
            async for piece in pieces:
                await run(FS, _append, target, piece)


def _append(target: Path, piece: bytes) -> None:
    with naming(target), target.open("ab") as file:
        file.write(piece)
