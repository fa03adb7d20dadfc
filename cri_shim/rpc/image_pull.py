"""PullImage: pull an image from its registry into containerd, and answer with the one id that all RPCs use for it.

The kubelet sets no deadline and cancels instead, so this RPC only waits for the pull (see
:mod:`cri_shim.images.puller`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.images.auth_config import credentials_of

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.service import Service


async def pull_image(service: Service, request: cri.PullImageRequest) -> cri.PullImageResponse:
    """Pull and unpack an image.

    Raises InvalidArgumentError for a malformed reference and NotFoundError for an image that does not exist.
    """
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image to pull")
    credentials = credentials_of(request.auth)
    image = await service.puller.pull(
        request.image.image, _snapshotter(service.config, request), credentials=credentials
    )
    return cri.PullImageResponse(image_ref=image.id)


def _snapshotter(config: Config, request: cri.PullImageRequest) -> str:
    """Return the snapshotter of the runtime handler that the image is for; empty for the default one."""
    handler = request.image.runtime_handler or request.sandbox_config.annotations.get(HANDLER_ANNOTATION, "")
    runtime = config.containerd.runtimes.get(handler)
    return runtime.snapshotter if runtime is not None else ""


HANDLER_ANNOTATION = "io.containerd.cri.runtime-handler"
