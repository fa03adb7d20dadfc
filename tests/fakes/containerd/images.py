"""containerd.services.images.v1 of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.images.v1 import images_pb2 as pb
from tests.fakes.containerd.filters import Filters, label_field
from tests.fakes.containerd.identifiers import digest_error, validate_labels
from tests.fakes.containerd.refusals import already_exists, bare, invalid_argument, not_found
from tests.fakes.containerd.state import now
from tests.fakes.containerd.updates import set_label, without_empty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call


class Images:
    """Names that point at descriptors."""

    descriptor = pb.DESCRIPTOR.services_by_name["Images"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, request: pb.GetImageRequest, call: Call) -> pb.GetImageResponse:
        """Return one record."""
        image = self._backend.state[call.required_namespace()].images.get(request.name)
        if image is None:
            raise not_found(f'image "{request.name}"')
        return pb.GetImageResponse(image=image)

    async def list(self, request: pb.ListImagesRequest, call: Call) -> pb.ListImagesResponse:
        """Return records."""
        namespace = call.required_namespace()
        filters = Filters(request.filters, said_twice=True)
        images = self._backend.state[namespace].images
        return pb.ListImagesResponse(images=filters.select((image for _, image in sorted(images.items())), _field))

    async def create(self, request: pb.CreateImageRequest, call: Call) -> pb.CreateImageResponse:
        """Store a record."""
        image = _copy(request.image)
        if not image.name:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "Image.Name required")
        namespace = call.required_namespace()
        _validate(image, self._backend.version)
        images = self._backend.state.writable(namespace).images
        if image.name in images:
            raise already_exists(f'image "{image.name}"')
        _set_labels(image, image.labels)
        image.created_at.CopyFrom(now())
        image.updated_at.CopyFrom(image.created_at)
        images[image.name] = image
        self._backend.bus.publish(namespace, "/images/create", pb.ImageCreate(name=image.name, labels=image.labels))
        return pb.CreateImageResponse(image=image)

    async def update(self, request: pb.UpdateImageRequest, call: Call) -> pb.UpdateImageResponse:
        """Change the fields that the mask names; without a mask, all."""
        wanted = request.image
        if not wanted.name:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "Image.Name required")
        namespace = call.required_namespace()
        images = self._backend.state[namespace].images
        if wanted.name not in images:
            raise not_found(f'image "{wanted.name}"')
        updated = _copy(images[wanted.name])
        for path in request.update_mask.paths:
            _change(updated, wanted, path)
        if not request.update_mask.paths:
            created_at = updated.created_at
            updated = _copy(wanted)
            updated.created_at.CopyFrom(created_at)
        _validate(updated, self._backend.version)
        _set_labels(updated, updated.labels)
        updated.updated_at.CopyFrom(now())
        images[wanted.name] = updated
        event = pb.ImageUpdate(name=updated.name, labels=updated.labels)
        self._backend.bus.publish(namespace, "/images/update", event)
        return pb.UpdateImageResponse(image=updated)

    async def delete(self, request: pb.DeleteImageRequest, call: Call) -> Empty:
        """Remove a record; with ``sync`` what only it held is gone before the answer."""
        namespace = call.required_namespace()
        images = self._backend.state[namespace].images
        if request.name not in images:
            raise not_found(f'image "{request.name}"')
        if request.HasField("target") and self._backend.version >= (2, 0):
            current, wanted = images[request.name].target.digest, request.target.digest
            if wanted and current != wanted:
                raise not_found(f'image "{request.name}" has target {current}, not {wanted}')
        del images[request.name]
        self._backend.removed_something()
        self._backend.bus.publish(namespace, "/images/delete", pb.ImageDelete(name=request.name))
        if request.sync:
            self._backend.collect_garbage()
        return Empty()


def _field(image: pb.Image, path: Sequence[str]) -> tuple[str, bool]:
    fields = {
        ("name",): image.name,
        ("target", "digest"): image.target.digest,
        ("target", "mediatype"): image.target.media_type,
    }
    if path[0] == "labels":
        return label_field(path[1:], image.labels)
    if path[0] == "annotations":
        return label_field(path[1:], image.target.annotations)
    value = fields.get(tuple(path), "")
    return value, bool(value)


def _change(updated: pb.Image, wanted: pb.Image, path: str) -> None:
    labels = dict(updated.labels)
    if set_label(labels, wanted.labels, path):
        _set_labels(updated, labels)
    elif path.startswith("annotations."):
        key = path.removeprefix("annotations.")
        updated.target.annotations[key] = wanted.target.annotations.get(key, "")
    elif path == "labels":
        _set_labels(updated, wanted.labels)
    elif path == "target":
        updated.target.CopyFrom(wanted.target)
    elif path == "annotations":
        updated.target.ClearField("annotations")
        updated.target.annotations.update(wanted.target.annotations)
    else:
        raise invalid_argument(f'cannot update "{path}" field on image "{wanted.name}"')


def _validate(image: pb.Image, version: tuple[int, int]) -> None:
    validate_labels(image.labels, "image.Labels", version)
    wrong = digest_error(image.target.digest)
    if wrong:
        raise invalid_argument(f'Target.Digest "{image.target.digest}" invalid: {wrong}')
    if image.target.size <= 0:
        raise invalid_argument("Target.Size must be greater than zero")
    if not image.target.media_type:
        raise invalid_argument("Target.MediaType must be set")


def _set_labels(image: pb.Image, labels: Mapping[str, str]) -> None:
    remaining = without_empty(labels)
    image.ClearField("labels")
    image.labels.update(remaining)


def _copy(image: pb.Image) -> pb.Image:
    copy = pb.Image()
    copy.CopyFrom(image)
    return copy
