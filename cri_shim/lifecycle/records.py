"""containerd container records as this daemon writes them.

The daemon writes a record before anything that it stands for exists. The record refers to the snapshot by key, so the
garbage collector spares the snapshot from the moment it is prepared, and no lease is needed (docs/adr/0002). After a
crash at any later point the record is found and listed, and the kubelet removes it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import NotFound
from containerd_client.api.containerd.runc.v1 import runc_pb2
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.oci.labels import record_labels, unfit_labels
from cri_shim.state.stored.runtime import RUNC_OPTIONS_TYPE
from cri_shim.state.stored.spec import pack_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client import Containerd
    from cri_shim.config import RuntimeHandler
    from cri_shim.images.store import Image

log = structlog.get_logger(__name__)


def new_id() -> str:
    """Return 64 hexadecimal characters, which is what cAdvisor expects in a container's cgroup name."""
    return secrets.token_hex(32)


def make_record(
    id_: str,
    *,
    handler: RuntimeHandler,
    snapshotter: str,
    image: str,
    spec: Mapping[str, Any],
    labels: Mapping[str, str],
    extension: tuple[str, AnyMessage],
    sandbox_id: str = "",
    io_owner: tuple[int, int] | None = None,
) -> containers_pb2.Container:
    """Return the record of a sandbox or container.

    The snapshot's key is the id; without a ``snapshotter`` the record has no snapshot. ``io_owner`` has the node's ids
    of the user that must be able to open the pipes of the output; ids in a handler's options take precedence.
    """
    runtime = handler.runtime_path or handler.runtime_type
    record = containers_pb2.Container(
        id=id_,
        labels=dict(labels),
        image=image,
        runtime=containers_pb2.Container.Runtime(name=runtime, options=_options(handler, io_owner or (0, 0))),
        spec=pack_spec(spec),
        snapshotter=snapshotter,
        snapshot_key=id_ if snapshotter else "",
        sandbox=sandbox_id,
    )
    name, value = extension
    record.extensions[name].CopyFrom(value)
    return record


def labels_of(id_: str, asked: Mapping[str, str], image: Image, kind: str) -> dict[str, str]:
    """Return the labels of a record; an image's labels that containerd would refuse are left out and logged."""
    unfit = unfit_labels(image.config.labels)
    if unfit:
        log.warning("image.labels_left_out", id=id_, image=image.id, labels=unfit)
    return record_labels(image.config.labels, asked, kind=kind)


async def delete_record(containerd: Containerd, id_: str) -> None:
    """Delete the record of a pod or container; a record that is already gone is success."""
    try:
        await containerd.containers.delete(id_)
    except NotFound:
        return


def _options(handler: RuntimeHandler, io_owner: tuple[int, int]) -> AnyMessage | None:
    """Return the options for the runc shim; other shims take none from here and read their own configuration."""
    if not handler.runtime_type.startswith("io.containerd.runc."):
        return None
    options = handler.options
    runc = runc_pb2.Options(
        no_new_keyring=options.no_new_keyring,
        shim_cgroup=options.shim_cgroup,
        io_uid=options.io_uid or io_owner[0],
        io_gid=options.io_gid or io_owner[1],
        binary_name=options.binary_name,
        root=options.root,
        systemd_cgroup=options.systemd_cgroup,
        criu_image_path=options.criu_image_path,
        criu_work_path=options.criu_work_path,
    )
    return AnyMessage(type_url=RUNC_OPTIONS_TYPE, value=runc.SerializeToString())
