"""ImageStatus: one image, from memory; on a miss from containerd, where it may have come without an event.

An absent image is an empty response and no error (CRI comment). The verbose form reads the configuration blob.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.rpc.image_list import image_message

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.store.images import Image


async def image_status(service: Service, request: cri.ImageStatusRequest) -> cri.ImageStatusResponse:
    """The image that the request names, by id, the beginning of one, tag or digest.

    Raises InvalidArgumentError when the request names none.
    """
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image by reference or id")
    image = await service.images.find(request.image.image)
    if image is None:
        return cri.ImageStatusResponse()
    info = {"info": await _info(service, image)} if request.verbose else {}
    return cri.ImageStatusResponse(image=image_message(image), info=info)


async def _info(service: Service, image: Image) -> str:
    spec = json.loads(await service.images.config_document(image))
    return json.dumps({"chainID": image.chain_id, "imageSpec": spec})
