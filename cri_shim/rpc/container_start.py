"""StartContainer: start the process of a container that was created.

Only a CREATED container can be started. The log's reader exists before the process does, and the exit arrives as an
event. The status is drafted on disk before the process runs, so that a full disk fails the start and not a later step.
:mod:`cri_shim.lifecycle.container.failed_start` decides what the container is after a start that failed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from containerd_client import ContainerdError
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.overlap import overlap
from cri_shim.concurrency.rollback import Rollback
from cri_shim.disk.status_file import draft_status, keep_draft
from cri_shim.errors import CriError, FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.container.failed_start import start_failed
from cri_shim.lifecycle.container.id_mapping import mapped_for
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.sandbox.background_start import wait_background_start
from cri_shim.lifecycle.snapshots import mounts_of
from cri_shim.lifecycle.termination import discard_task
from cri_shim.oci.annotations import SHIM_GROUP
from cri_shim.os_errors import cri_error_of
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


async def start_container(service: Service, request: cri.StartContainerRequest) -> cri.StartContainerResponse:
    """Start a container; the answer comes when its process runs.

    Raises NotFoundError, FailedPreconditionError (not CREATED, or the pod is not running), and the errors of containerd
    or the OCI runtime.
    """
    id_ = service.containers.get(request.container_id).id
    await service.operations.run(f"start/{id_}", lambda: _start(service, id_))
    return cri.StartContainerResponse()


async def _start(service: Service, id_: str) -> None:
    async with service.container_starts.slot(), service.locks.of(id_):
        service.cgroup_moves.prepare()
        await wait_background_start(service, service.containers.get(id_).sandbox_id)
        container = _startable(service.sandboxes, service.containers, id_)
        service.containers.update(id_, lambda c: c.replace(starting=True))
        try:
            pid, started_at = await _run(service, container)
        except OSError as error:
            refused = cri_error_of(error)
            named = type(refused)(f"container {id_} cannot be started: {refused}")
            start_failed(service, id_, named)
            raise named from error
        except (CriError, ContainerdError) as error:
            start_failed(service, id_, error)
            raise
        finally:
            service.containers.update(id_, lambda c: c.replace(starting=False))
        service.containers.update(id_, lambda c: c.replace(rootfs=()).with_status(pid=pid, started_at=started_at))


def _startable(sandboxes: Index[Sandbox], containers: Index[Container], id_: str) -> Container:
    container = containers.get(id_)
    if container.removing:
        raise FailedPreconditionError(f"container {id_} is being removed and cannot be started")
    if container.state != cri.CONTAINER_CREATED:
        raise FailedPreconditionError(
            f"container {id_} is {container.state_word}; only a created container can be started"
        )
    sandbox = sandboxes.get(container.sandbox_id)
    if not sandbox.ready:
        raise FailedPreconditionError(
            f"container {id_} cannot be started: its sandbox {sandbox.id} {sandbox.unready_reason}"
        )
    namespaces = container.config.linux.security_context.namespace_options
    if namespaces.pid == cri.TARGET and not containers.get(namespaces.target_id).running:
        raise FailedPreconditionError(
            f"container {id_} cannot be started: its target container {namespaces.target_id} is not running"
        )
    return container


async def _run(service: Service, container: Container) -> tuple[int, int]:
    """Create the task and start it; return its pid and the time before the start, which are on disk by then."""

    def not_undone(why: str) -> None:
        service.containers.update(container.id, lambda c: c.replace(unknown_reason=why))

    async with Rollback(f"start of container {container.id}", on_incomplete=not_undone) as undo:
        rootfs = container.rootfs or await mounts_of(service.containerd, container.id)
        config = container.config

        async def close_logs() -> None:
            service.logs.close(container.id)

        undo.push("close the log", close_logs)
        fifos = await run(FS, service.logs.open, container.id, container.log_path, stdin=config.stdin, tty=config.tty)
        await service.exits.begin(container.id)
        sandbox = service.sandboxes.get(container.sandbox_id)
        undo.push("end the process", lambda: discard_task(service.config, service.containerd, sandbox, container.id))
        async with (
            mapped_for(service.kernel, service.paths, service.sandboxes, container, rootfs) as mounts,
            hanging_ended(service.config, service.sandboxes, service.containers, container.sandbox_id),
        ):
            with stage("container.NewTask"):
                creating = service.shim_calls.create_task(
                    container.id,
                    service.config.runtime_handler(sandbox.handler_name),
                    sandbox_id=_served_with(sandbox, container),
                    rootfs=mounts,
                    stdin=fifos.stdin,
                    stdout=fifos.stdout,
                    stderr=fifos.stderr,
                    terminal=config.tty,
                )
                pid, _ = await overlap(creating, service.logs.wait_opened(container.id))
        started_at = time.time_ns()
        files = service.paths.container_root(container.id)
        draft_status(files, replace(service.containers.get(container.id).status, pid=pid, started_at=started_at))
        with stage("client.task.Start"):
            async with hanging_ended(service.config, service.sandboxes, service.containers, container.sandbox_id):
                await service.containerd.tasks.start(container.id)
        keep_draft(files)
        return pid, started_at


def _served_with(sandbox: Sandbox, container: Container) -> str:
    """Return the id of the pod whose shim serves the container; empty if it has a shim of its own."""
    alone = sandbox.pinned is not None or SHIM_GROUP in container.config.annotations
    return "" if alone else sandbox.id
