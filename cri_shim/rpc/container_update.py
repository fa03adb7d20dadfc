"""UpdateContainerResources: set new limits for a container, whether it runs or not.

The spec in containerd is the source of truth and changes first; if the task then refuses the limits, the old spec is
restored. The status with the new limits is drafted on disk before that, so that a full disk fails the update before
anything has changed. The OOM score is not a limit of the cgroup: processes that have the old score are given the new
one. (Commands that exec runs later get from runc the score that the container was created with.)
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage
from msgspec.structs import replace

from containerd_client import ContainerdError, NotFound
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import draft_status, keep_draft
from cri_shim.errors import CriError, FailedPreconditionError, InvalidArgumentError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.oom_score import move_oom_scores
from cri_shim.lifecycle.handlers import spec_options
from cri_shim.oci.resource_checks import check_resources
from cri_shim.oci.resources import container_resources, task_resources, updated_spec
from cri_shim.state.stored.spec import pack_spec, read_spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from containerd_client import Containerd
    from cri_shim.oci.defaults import Spec
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.sync.process_specs import ProcessSpecs

_RESOURCES_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"


async def update_container_resources(
    service: Service, request: cri.UpdateContainerResourcesRequest
) -> cri.UpdateContainerResourcesResponse:
    """Replace the container's limits by those of ``linux``; a limit that is 0 or empty there stays as it is.

    The runtime of a running container also gets ``annotations``. Raises NotFoundError, InvalidArgumentError (only
    limits for Windows), FailedPreconditionError (ended, or being removed), and the errors of the OCI runtime.
    """
    check_resources(request.linux)
    id_ = service.containers.get(request.container_id).id
    if request.HasField("windows") and not request.HasField("linux"):
        raise InvalidArgumentError(f"container {id_} runs on Linux and takes no limits for Windows; set linux")
    if request.HasField("linux") or request.annotations:
        await service.operations.run(f"update/{id_}/{id(request)}", lambda: _update(service, id_, request))
    return cri.UpdateContainerResourcesResponse()


async def _update(service: Service, id_: str, request: cri.UpdateContainerResourcesRequest) -> None:
    async with service.locks.of(id_):
        container = _updatable(service.containers, id_)
        handler = service.config.runtime_handler(service.sandboxes.get(container.sandbox_id).handler_name)
        record = await service.containerd.containers.get(id_)
        old = read_spec(record)
        spec = updated_spec(old, request.linux, service.node, spec_options(service.config, service.features, handler))
        limits = task_resources(spec, request.linux, service.node) if container.running else None
        files, resources = service.paths.container_root(id_), container_resources(spec)
        draft_status(files, replace(container.status, resources=resources))
        await _write_spec(service.containerd, service.process_specs, id_, pack_spec(spec))
        if limits is not None:
            try:
                async with _oom_score_passed_on(service.containerd, id_, _oom_score(old), _oom_score(spec)):
                    await service.containerd.tasks.update(id_, _packed(limits), request.annotations)
            except NotFound:
                pass  # it has ended meanwhile; the limits are in the record
            except (CriError, ContainerdError):
                await _write_spec(service.containerd, service.process_specs, id_, record.spec)
                raise
        service.containers.update(id_, lambda c: c.with_status(resources=resources))
        keep_draft(files)


def _updatable(containers: Index[Container], id_: str) -> Container:
    container = containers.get(id_)
    if container.removing:
        raise FailedPreconditionError(f"container {id_} is being removed; its resources cannot be changed")
    if container.state not in (cri.CONTAINER_CREATED, cri.CONTAINER_RUNNING):
        raise FailedPreconditionError(f"container {id_} is {container.state_word}; its resources cannot be changed")
    return container


async def _write_spec(containerd: Containerd, process_specs: ProcessSpecs, id_: str, spec: AnyMessage) -> None:
    try:
        await containerd.containers.update(containers_pb2.Container(id=id_, spec=spec), "spec")
    finally:
        process_specs.forget(id_)


@asynccontextmanager
async def _oom_score_passed_on(containerd: Containerd, id_: str, old: int, new: int) -> AsyncIterator[None]:
    """Change the score of a running container's processes, and restore it if the rest of the update fails."""
    await _pass_oom_score_on(containerd, id_, old, new)
    try:
        yield
    except ContainerdError:
        with suppress(CriError, ContainerdError):  # the first error is the one to raise
            await _pass_oom_score_on(containerd, id_, new, old)
        raise


async def _pass_oom_score_on(containerd: Containerd, id_: str, old: int, new: int) -> None:
    """Change the score of the container's processes from ``old`` to ``new``.

    A process that has chosen another score for itself keeps it.
    """
    if old == new:
        return
    pids = [process.pid for process in await containerd.tasks.list_pids(id_)]
    try:
        await run(FS, move_oom_scores, pids, old, new)
    except OSError as error:
        raise FailedPreconditionError(
            f"oom_score_adj of container {id_} cannot be changed from {old} to {new}: {error.strerror}"
        ) from error


def _oom_score(spec: Spec) -> int:
    return int((spec.get("process") or {}).get("oomScoreAdj") or 0)


def _packed(resources: object) -> AnyMessage:
    return AnyMessage(type_url=_RESOURCES_TYPE, value=json.dumps(resources, separators=(",", ":")).encode())
