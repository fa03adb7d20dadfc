"""ImageStatus: return one image from memory; if it is missing, ask containerd, where it may have come without an event.

An absent image is an empty response and not an error (CRI comment). The verbose form reads the configuration blob.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from containerd_client.errors import NotFound, ResourceExhausted
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.rpc.image_list import image_message
from untrusted import DocumentError, parse_object

if TYPE_CHECKING:
    from cri_shim.images.store import Image, ImageStore
    from cri_shim.service import Service


async def image_status(service: Service, request: cri.ImageStatusRequest) -> cri.ImageStatusResponse:
    """Return the image that the request names by id, by the beginning of an id, by tag or by digest.

    Raises InvalidArgumentError when the request names none.
    """
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image by reference or id")
    image = await service.images.find(request.image.image)
    if image is None:
        return cri.ImageStatusResponse()
    info = {"info": await _info(service.images, image)} if request.verbose else {}
    return cri.ImageStatusResponse(image=image_message(image), info=info)


async def _info(images: ImageStore, image: Image) -> str:
    shown: dict[str, Any] = {"chainID": image.chain_id}
    try:
        shown["imageSpec"] = parse_object(await images.config_document(image)).plain()
    except (DocumentError, NotFound, ResourceExhausted) as error:
        shown["imageSpecError"] = str(error)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
