"""ListImages: the images, from memory.

containerd's plugin ignores the filter; the CRI comment says that it selects by image, so that is done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.image_config import uid_or_name
from cri_shim.state.wire import sayable

if TYPE_CHECKING:
    from cri_shim.images.store import Image, ImageStore
    from cri_shim.service import Service


async def list_images(service: Service, request: cri.ListImagesRequest) -> cri.ListImagesResponse:
    """All images, or the one that ``filter.image`` names in any form (none when it is not here)."""
    return cri.ListImagesResponse(
        images=[image_message(image) for image in await matching(service.images, request.filter)]
    )


async def matching(images: ImageStore, wanted: cri.ImageFilter) -> list[Image]:
    """The images that ``wanted`` lets through."""
    if wanted.image.image:
        image = await images.find(wanted.image.image)
        return [image] if image else []
    return list(images.list())


def image_message(image: Image) -> cri.Image:
    """What CRI tells of an image; of one that cannot be said its id, so that it can be removed."""
    return sayable(lambda: _message(image), lambda: cri.Image(id=image.id), "image", image.id)


def _message(image: Image) -> cri.Image:
    message = cri.Image(
        id=image.id,
        repo_tags=image.repo_tags,
        repo_digests=image.repo_digests,
        size=image.size,
        pinned=image.pinned,
    )
    uid, message.username = uid_or_name(image.config.user)
    if uid is not None:
        message.uid.value = uid
    return message
