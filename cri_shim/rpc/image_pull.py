"""PullImage: from the registry into containerd; the answer names the image by the one id that all RPCs use.

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
    """Pull and unpack. Raises InvalidArgumentError for a reference that is none, NotFoundError for an absent image."""
    if not request.image.image:
        raise InvalidArgumentError("image.image is empty; name an image to pull")
    credentials = credentials_of(request.auth)
    image = await service.puller.pull(
        request.image.image, _snapshotter(service.config, request), credentials=credentials
    )
    return cri.PullImageResponse(image_ref=image.id)


def _snapshotter(config: Config, request: cri.PullImageRequest) -> str:
    """The snapshotter of the runtime handler that the image is for; empty for the default one."""
    handler = request.image.runtime_handler or request.sandbox_config.annotations.get(HANDLER_ANNOTATION, "")
    runtime = config.containerd.runtimes.get(handler)
    return runtime.snapshotter if runtime is not None else ""


HANDLER_ANNOTATION = "io.containerd.cri.runtime-handler"
