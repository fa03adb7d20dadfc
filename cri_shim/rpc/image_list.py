"""ListImages: list images from memory.

containerd's plugin ignores the filter. The CRI comment says that the filter selects by image, so this daemon applies
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.image_config import uid_or_name
from cri_shim.state.wire import message_or_substitute

if TYPE_CHECKING:
    from cri_shim.images.store import Image, ImageStore
    from cri_shim.service import Service


async def list_images(service: Service, request: cri.ListImagesRequest) -> cri.ListImagesResponse:
    """Return all images, or only the one that ``filter.image`` names in any form (none if it is not here)."""
    return cri.ListImagesResponse(
        images=[image_message(image) for image in await matching(service.images, request.filter)]
    )


async def matching(images: ImageStore, wanted: cri.ImageFilter) -> list[Image]:
    """Return the images that match ``wanted``."""
    if wanted.image.image:
        image = await images.find(wanted.image.image)
        return [image] if image else []
    return list(images.list())


def image_message(image: Image) -> cri.Image:
    """Return an image as a CRI message.

    An image without a wire form is reduced to its id, so that it can still be removed.
    """
    return message_or_substitute(lambda: _message(image), lambda: cri.Image(id=image.id), "image", image.id)


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
