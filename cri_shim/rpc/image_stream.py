"""StreamImages: stream what ListImages lists, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.image_list import image_message, matching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_images(service: Service, request: cri.StreamImagesRequest) -> AsyncGenerator[cri.StreamImagesResponse]:
    """Return a stream of the images that exist now, filtered as in the list."""
    images = await matching(service.images, request.filter)
    return batches(cri.StreamImagesResponse, "images", (image_message(image) for image in images))
