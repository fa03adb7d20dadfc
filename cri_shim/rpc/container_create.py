"""CreateContainer: make everything of a container except its process.

Order: reserve the name · find the image (it must be here already) · begin the snapshot, which is made while everything
below goes on · mount the images that are volumes · concurrently: directories and FIFO places, the node's side of mounts
and devices, users of the image · write the containerd record · fill volumes that the image declares · checkpoint the
status · put the container into the state. A retry with the same request gets the same container as long as it has not
been started (docs/adr/0003).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from containerd_client.encoding.timestamps import nanoseconds
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.rollback import Rollback
from cri_shim.disk.container_directories import remove_container_files
from cri_shim.disk.status_file import draft_status, keep_draft
from cri_shim.errors import InvalidArgumentError, NotFoundError
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.checkpoint.checkpoint_refusal import refuse_archive, refuse_checkpoint_image
from cri_shim.lifecycle.container.container_spec import container_spec
from cri_shim.lifecycle.container.id_mapping import owner_on_node
from cri_shim.lifecycle.container.image_mounts import image_mounts, mount_images, unmount
from cri_shim.lifecycle.container.image_volumes import fill_volumes, volumes_of
from cri_shim.lifecycle.container.relabel_sources import relabel_sources
from cri_shim.lifecycle.handlers import is_plain_runc, snapshotter_of
from cri_shim.lifecycle.records import delete_record, labels_of, make_record, new_id
from cri_shim.lifecycle.running import require_ready
from cri_shim.lifecycle.snapshots import begin_snapshot
from cri_shim.oci.container_checks import check_container
from cri_shim.oci.labels import CONTAINER
from cri_shim.oci.resources import container_resources, container_user
from cri_shim.oci.stop_signal import signal_number
from cri_shim.state.containers import Container, Status
from cri_shim.state.names import container_name
from cri_shim.state.stored.metadata import CONTAINER_EXTENSION, container_extension
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from cri_shim.images.store import Image, ImageStore
    from cri_shim.service import Service
    from cri_shim.state.index import Index
    from cri_shim.state.names import Names
    from cri_shim.state.sandboxes import Sandbox

log = structlog.get_logger(__name__)


async def create_container(service: Service, request: cri.CreateContainerRequest) -> cri.CreateContainerResponse:
    """Make a container in a ready pod from an image that is present.

    Raises InvalidArgumentError, NotFoundError (pod or image), FailedPreconditionError (the pod is not ready),
    AlreadyExistsError (the name belongs to another container), UnimplementedError (the image is a checkpoint), and the
    errors of containerd.
    """
    if not request.config.metadata.name:
        raise InvalidArgumentError("container config needs metadata with a name")
    if not request.sandbox_config.metadata.name:
        raise InvalidArgumentError("container needs the sandbox_config of its pod, with metadata")
    check_container(request.config, request.sandbox_config)
    sandbox = service.sandboxes.get(request.pod_sandbox_id)
    name = container_name(request.config.metadata, sandbox.config.metadata)
    id_ = await service.operations.run(f"create/{name}", lambda: _create(service, sandbox.id, request, name))
    return cri.CreateContainerResponse(container_id=id_)


async def _create(service: Service, sandbox_id: str, request: cri.CreateContainerRequest, name: str) -> str:
    sandbox = service.sandboxes.get(sandbox_id)
    require_ready(sandbox, "a container needs a running pod")
    finished = _made_before(service.containers, service.container_names, sandbox, request, name)
    if finished is not None:
        log.info("container.found_again", container_id=finished.id, name=name)
        return finished.id
    # A copy, because a part of the request would keep all of the request in memory for as long as the container exists.
    config = cri.ContainerConfig()
    config.CopyFrom(request.config)
    image = await _image(service.images, service.config.containerd.namespace, config)
    container = Container(
        id=new_id(),
        name=name,
        sandbox_id=sandbox.id,
        config=config,
        # The time is valid until the record gives one; a failed container that cannot be undone is listed with it.
        status=Status(created_at=time.time_ns()),
        image_id=image.id,
        log_path=_log_path(request.sandbox_config, config),
        stop_signal=_stop_signal(config, image),
    )
    requested = config.linux.security_context.selinux_options
    container = container.replace(process_label=service.selinux.of_container(requested, sandbox.process_label))
    service.container_names.reserve(name, container.id)
    async with Rollback(
        f"container {container.id}",
        on_incomplete=lambda why: service.containers.put(container.replace(unknown_reason=why)),
    ) as undo:

        async def release_name() -> None:
            service.container_names.release(container.id)

        undo.push("release the name", release_name)
        undo.push("remove the container's files", lambda: run(FS, remove_container_files, service.paths, container.id))
        handler = service.config.runtime_handler(sandbox.handler_name)
        snapshotter = snapshotter_of(service.config, handler)
        volumes = volumes_of(service.config, service.paths, container, image)
        mount_label = service.selinux.of_files(container.process_label)
        rootfs = begin_snapshot(
            service.containerd, service.puller, snapshotter, container.id, image, undo=undo, mount_label=mount_label
        )
        if image_mounts(config):
            undo.push(
                "unmount its images",
                lambda: unmount(service.containerd, service.kernel, service.paths, snapshotter, container),
            )
        spec = await container_spec(
            service,
            sandbox,
            container,
            handler=handler,
            image=image,
            sandbox_config=request.sandbox_config,
            volumes=volumes,
            images=await mount_images(service, snapshotter, container, mount_label),
        )
        # Pushed before the call, because containerd may have written the record although its answer is an error or
        # never comes.
        undo.push("delete the record", lambda: delete_record(service.containerd, container.id))
        with stage("client.NewContainer"):
            record = await service.containerd.containers.create(
                make_record(
                    container.id,
                    handler=handler,
                    snapshotter=snapshotter,
                    image=image.name,
                    spec=spec,
                    labels=labels_of(container.id, config.labels, image, CONTAINER),
                    extension=(CONTAINER_EXTENSION, container_extension(container)),
                    io_owner=owner_on_node(sandbox, spec),
                )
            )
        status = Status(created_at=nanoseconds(record.created_at), resources=container_resources(spec))
        files = service.paths.container_root(container.id)
        draft_status(files, status)
        await fill_volumes(service.puller, service.image_files, snapshotter, image, volumes)
        await relabel_sources(service.paths, service.selinux, sandbox, container, volumes)
        container = container.replace(
            rootfs=tuple(await rootfs),
            user=container_user(spec),
            status=status,
            plain_runc=is_plain_runc(handler),
        )
        keep_draft(files)
    service.containers.put(container)
    return container.id


def _made_before(
    containers: Index[Container],
    container_names: Names,
    sandbox: Sandbox,
    request: cri.CreateContainerRequest,
    name: str,
) -> Container | None:
    """Return the container that an earlier, equal request made, in case the client lost the answer."""
    holder = container_names.holder(name)
    container = None if holder is None else containers.find(holder)
    if container is None or container.state != cri.CONTAINER_CREATED or container.sandbox_id != sandbox.id:
        return None
    return container if container.config == request.config else None


async def _image(images: ImageStore, namespace: str, config: cri.ContainerConfig) -> Image:
    if not config.image.image:
        raise InvalidArgumentError(f"container {config.metadata.name!r} names no image")
    if config.image.image.startswith("/"):
        await run(FS, refuse_archive, config.image.image)
    image = await images.find(config.image.image)
    if image is None:
        absence = images.absence(config.image.image)
        raise NotFoundError(f"image {config.image.image!r} {absence} (containerd namespace {namespace})")
    refuse_checkpoint_image(config.image.image, image)
    return image


def _stop_signal(config: cri.ContainerConfig, image: Image) -> str:
    """Return the signal that ends the container: the request's, else the image's; empty for SIGTERM.

    An image that names an unknown signal can be run all the same.
    """
    if config.stop_signal:
        # As images write it, and as containerd's plugin reads it: SIGRTMIN+3, not the CRI's SIGRTMINPLUS3.
        return cri.Signal.Name(config.stop_signal).replace("PLUS", "+").replace("MINUS", "-")
    if image.config.stop_signal:
        try:
            signal_number(image.config.stop_signal)
        except InvalidArgumentError as error:
            log.warning("image.stop_signal_unknown", image=image.id, error=str(error))
            return ""
    return image.config.stop_signal


def _log_path(sandbox_config: cri.PodSandboxConfig, config: cri.ContainerConfig) -> str:
    """Return the path of the container's log; empty, which means no log, unless the request gives both parts."""
    if not sandbox_config.log_directory or not config.log_path:
        return ""
    return f"{sandbox_config.log_directory.rstrip('/')}/{config.log_path}"
