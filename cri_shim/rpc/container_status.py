"""ContainerStatus: return a container's status from memory; the verbose form asks containerd for the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from containerd_client import ContainerdError, call_options
from containerd_client.distribution.values.reference import is_digest
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import CriError
from cri_shim.state.stored.go_json import to_go_json
from cri_shim.state.stored.runtime import shown_runtime_options
from cri_shim.state.stored.spec import read_spec
from cri_shim.state.wire import message_or_substitute
from cri_shim.status_text import status_text

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.images.store import ImageStore
    from cri_shim.service import Service
    from cri_shim.state.containers import Container

RECORD_SECONDS: Final = 5.0
"""How long the verbose form waits for the record, which adds to what is known already."""


async def container_status(service: Service, request: cri.ContainerStatusRequest) -> cri.ContainerStatusResponse:
    """Return the status of one container; raises NotFoundError for an unknown id."""
    container = service.containers.get(request.container_id)
    info = {"info": json.dumps(await _info(service.containerd, container))} if request.verbose else {}
    return cri.ContainerStatusResponse(status=status_of(service.images, container), info=info)


def member_status(images: ImageStore, container: Container) -> cri.ContainerStatus:
    """Return the status of one container among others: one without a wire form is reduced to its id and state."""
    return message_or_substitute(
        lambda: status_of(images, container),
        lambda: cri.ContainerStatus(
            id=container.id,
            metadata=cri.ContainerMetadata(name=f"unreadable_{container.id}"),
            state=cri.CONTAINER_UNKNOWN,
        ),
        "container status",
        container.id,
    )


def status_of(images: ImageStore, container: Container) -> cri.ContainerStatus:
    """Return the CRI status of ``container``; the image's id stays in it even if the image has been removed."""
    status = container.status
    image = images.resolve(container.image_id) if is_digest(container.image_id) else None
    tag = image.repo_tags[0] if image and image.repo_tags else ""
    digest = image.repo_digests[0] if image and image.repo_digests else ""
    requested = container.config.image
    return cri.ContainerStatus(
        id=container.id,
        metadata=container.config.metadata,
        state=container.state,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        image=cri.ImageSpec(
            image=tag or requested.image,
            annotations=requested.annotations,
            user_specified_image=requested.user_specified_image,
        ),
        image_ref=digest or container.image_id,
        image_id=container.image_id,
        reason=status.reason or ("Unknown" if container.unknown_reason else ""),
        message=status_text(status.message or container.unknown_reason),
        labels=container.config.labels,
        annotations=container.config.annotations,
        mounts=container.config.mounts,
        log_path=container.log_path,
        resources=status.resources,
        user=container.user,
        stop_signal=container.config.stop_signal,
    )


async def _info(containerd: Containerd, container: Container) -> dict[str, Any]:
    """Return what the in-process plugin reports, under the same names, because troubleshooting tools read it."""
    info: dict[str, Any] = {
        "sandboxID": container.sandbox_id,
        "pid": container.status.pid,
        "removing": container.removing,
        "config": to_go_json(container.config),
        "trouble": container.unknown_reason,
    }
    try:
        with call_options(timeout=RECORD_SECONDS):
            record = await containerd.containers.get(container.id)
        info |= {
            "snapshotKey": record.snapshot_key,
            "snapshotter": record.snapshotter,
            "runtimeType": record.runtime.name,
            "runtimeOptions": shown_runtime_options(record),
            "runtimeSpec": read_spec(record),
        }
    except (ContainerdError, CriError) as error:  # the rest of the answer comes from memory
        info["trouble"] = container.unknown_reason or str(error)
    return info
