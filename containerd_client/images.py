"""containerd.services.images.v1: names that point at descriptors.

The blobs of an image are in the content store, its unpacked layers in snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.images.v1 import images_pb2 as pb
from containerd_client.call import Unary
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import NotFound

if TYPE_CHECKING:
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.images.v1.Images"


class Images:
    """Image records, reached as ``client.images``."""

    def __init__(self, connection: Connection) -> None:
        self._get: Unary[pb.GetImageRequest, pb.GetImageResponse] = Unary(
            connection, f"{_SERVICE}/Get", pb.GetImageResponse.FromString
        )
        self._list: Unary[pb.ListImagesRequest, pb.ListImagesResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.ListImagesResponse.FromString
        )
        self._create: Unary[pb.CreateImageRequest, pb.CreateImageResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.CreateImageResponse.FromString, check=self._check_created
        )
        self._update: Unary[pb.UpdateImageRequest, pb.UpdateImageResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateImageResponse.FromString
        )
        self._delete: Unary[pb.DeleteImageRequest, Empty] = Unary(connection, f"{_SERVICE}/Delete", Empty.FromString)

    async def get(self, name: str) -> pb.Image:
        """Return the image whose name is exactly ``name``; raises NotFound."""
        return (await self._get(pb.GetImageRequest(name=name))).image

    async def list(self, *filters: str) -> list[pb.Image]:
        """Return the images that match any of ``filters``, or all if there are none."""
        return list((await self._list(pb.ListImagesRequest(filters=filters))).images)

    async def create(self, image: pb.Image) -> pb.Image:
        """Store an image under a new name; raises AlreadyExists."""
        return (await self._create(pb.CreateImageRequest(image=image))).image

    async def update(self, image: pb.Image, *fieldpaths: str) -> pb.Image:
        """Change the fields at ``fieldpaths`` (``target``, ``labels``, ``labels.key``); raises NotFound."""
        request = pb.UpdateImageRequest(image=image, update_mask=field_mask(fieldpaths))
        # containerd 1.7 and 2 crash on an update without a target, even if only labels change.
        request.image.target.SetInParent()
        return (await self._update(request)).image

    async def delete(self, name: str, *, sync: bool = False) -> None:
        """Remove a name; with ``sync``, return only after the garbage collector has run. Raises NotFound."""
        await self._delete(pb.DeleteImageRequest(name=name, sync=sync))

    async def _check_created(self, request: pb.CreateImageRequest) -> pb.CreateImageResponse | None:
        wanted = request.image
        try:
            existing = await self.get(wanted.name)
        except NotFound:
            return None
        ours = existing.target.digest == wanted.target.digest and existing.labels == wanted.labels
        return pb.CreateImageResponse(image=existing) if ours else None
