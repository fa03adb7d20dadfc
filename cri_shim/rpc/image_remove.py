"""RemoveImage: remove every name of an image and, with the last name, synchronously, the data that only it held.

CRI: idempotent; an image that is not here, or that another client is removing, is a success. The removal goes on to its
end when its client hangs up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.images.store import Image, ImageStore
    from cri_shim.service import Service


async def remove_image(service: Service, request: cri.RemoveImageRequest) -> cri.RemoveImageResponse:
    """Remove the image that an id, tag or digest names; raises InvalidArgumentError when the request names none."""
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image by reference or id")
    ref = request.image.image
    image = await service.images.find(ref)
    key = f"remove-image/{ref}" if image is None else f"remove-image/{image.id}"
    await service.operations.run(key, lambda: _remove(service.images, image, ref))
    return cri.RemoveImageResponse()


async def _remove(images: ImageStore, image: Image | None, ref: str) -> None:
    if image is None:
        await images.remove_unusable(ref)
    else:
        await images.remove(image, ref)
