"""Read and write image records in containerd, in the form that containerd's CRI plugin gives them.

An image has one record under its id, beside those under its names, so that it stays known by its id when another client
removes the name that it came with. The label on a record, which is set last, says that the record under the id was
made.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.errors import Aborted, AlreadyExists, NotFound
from cri_shim.images.names import MANAGED, PINNED

if TYPE_CHECKING:
    from containerd_client import Containerd
    from containerd_client.distribution.values.manifest import Descriptor

TRIES = 8
"""How often to write a record that another client makes or deletes at the same moment."""


def is_managed(record: images_pb2.Image) -> bool:
    """Return whether the record has the label by which the plugin, or this daemon, marks what it knows."""
    return bool(record.labels.get(MANAGED[0]) == MANAGED[1])


def is_pinned(record: images_pb2.Image) -> bool:
    """Return whether the record's label keeps the kubelet from collecting the image."""
    return bool(record.labels.get(PINNED[0]) == PINNED[1])


async def find_record(client: Containerd, name: str) -> images_pb2.Image | None:
    """Return the record of exactly this name, or None if containerd has none."""
    try:
        return await client.images.get(name)
    except NotFound:
        return None


async def write_record(client: Containerd, name: str, target: Descriptor, *, pinned: bool) -> bool:
    """Make ``name`` point at ``target``; return whether the record is a new one.

    Another client may make and delete the same record meanwhile. Raises a ContainerdError.
    """
    labels = _labels(pinned=pinned)
    record = images_pb2.Image(name=name, target=target.to_message(), labels=labels)
    for _ in range(TRIES):
        with suppress(AlreadyExists):
            await client.images.create(record)
            return True
        with suppress(NotFound):
            await client.images.update(record, "target", *(f"labels.{key}" for key in labels))
            return False
    raise Aborted("Images/Create", f"record '{name}' keeps being made and deleted by another client")


async def adopt_record(client: Containerd, name: str, target: Descriptor, image_id: str, *, pinned: bool) -> bool:
    """Give a record that another client made what a pull would have given it; return whether it still exists.

    If ``name`` disappears meanwhile, the record made for it under the id is deleted too.
    """
    made = name != image_id and await write_record(client, image_id, target, pinned=pinned)
    if await label_record(client, name, pinned=pinned):
        return True
    if made:
        await delete_record(client, image_id)
    return False


async def label_record(client: Containerd, name: str, *, pinned: bool) -> bool:
    """Set the plugin's labels; return False if the record is gone."""
    labels = _labels(pinned=pinned)
    try:
        await client.images.update(images_pb2.Image(name=name, labels=labels), *(f"labels.{key}" for key in labels))
    except NotFound:
        return False
    return True


async def delete_record(client: Containerd, name: str, *, sync: bool = False) -> bool:
    """Delete a record; return False if it was gone already.

    With ``sync`` containerd's garbage collector has run when this returns.
    """
    try:
        await client.images.delete(name, sync=sync)
    except NotFound:
        return False
    return True


def _labels(*, pinned: bool) -> dict[str, str]:
    return dict([MANAGED, PINNED] if pinned else [MANAGED])
