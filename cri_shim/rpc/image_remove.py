"""RemoveImage: every name of the image, and with the last one (synchronously) what only it held.

CRI: idempotent; an image that is not here, or that somebody else is removing, is a success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.service import Service


async def remove_image(service: Service, request: cri.RemoveImageRequest) -> cri.RemoveImageResponse:
    """Remove the image of an id, tag or digest. Raises InvalidArgumentError when the request names none."""
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image by reference or id")
    image = await service.images.find(request.image.image)
    if image is not None:
        await service.images.remove(image)
    return cri.RemoveImageResponse()
