"""containerd.services.containers.v1 of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.containers.v1 import containers_pb2 as pb
from tests.fakes.containerd.filters import Filters, label_field
from tests.fakes.containerd.identifiers import validate_identifier, validate_labels
from tests.fakes.containerd.refusals import Refusal, already_exists, bare, invalid_argument, not_found
from tests.fakes.containerd.state import now
from tests.fakes.containerd.updates import set_label, without_empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

_ALL_FIELDS = ("labels", "spec", "extensions", "image", "snapshotkey")


class Containers:
    """Records of containers."""

    descriptor = pb.DESCRIPTOR.services_by_name["Containers"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, request: pb.GetContainerRequest, call: Call) -> pb.GetContainerResponse:
        """Return one record."""
        container = self._backend.state[call.required_namespace()].containers.get(request.id)
        if container is None:
            raise not_found(f'container "{request.id}" in namespace "{call.namespace}"')
        return pb.GetContainerResponse(container=container)

    async def list(self, request: pb.ListContainersRequest, call: Call) -> pb.ListContainersResponse:
        """Return records in one message."""
        return pb.ListContainersResponse(containers=self._matching(request.filters, call))

    async def list_stream(
        self, request: pb.ListContainersRequest, call: Call
    ) -> AsyncIterator[pb.ListContainerMessage]:
        """Return records one by one."""
        for container in self._matching(request.filters, call):
            yield pb.ListContainerMessage(container=container)

    async def create(self, request: pb.CreateContainerRequest, call: Call) -> pb.CreateContainerResponse:
        """Store a record."""
        namespace = call.required_namespace()
        container = _copy(request.container)
        try:
            # Since 1.7 a record may be made without a spec, and not be changed then.
            _validate(container, self._backend.version, needs_spec=self._backend.version < (1, 7))
        except Refusal as refusal:
            raise Refusal(refusal.code, f"create container failed validation: {refusal.text}") from None
        space = self._backend.state.writable(namespace)
        space.had_containers = True
        containers = space.containers
        if container.id in containers:
            raise already_exists(f'container "{container.id}"')
        _set_labels(container, container.labels)
        container.created_at.CopyFrom(now())
        container.updated_at.CopyFrom(container.created_at)
        containers[container.id] = container
        created = events_pb2.ContainerCreate(
            id=container.id,
            image=container.image,
            runtime=events_pb2.ContainerCreate.Runtime(
                name=container.runtime.name,
                options=container.runtime.options if container.runtime.HasField("options") else None,
            ),
        )
        self._backend.bus.publish(namespace, "/containers/create", created)
        return pb.CreateContainerResponse(container=container)

    async def update(self, request: pb.UpdateContainerRequest, call: Call) -> pb.UpdateContainerResponse:
        """Change the fields that the mask names."""
        wanted = request.container
        if not wanted.id:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "Container.ID required")
        namespace = call.required_namespace()
        space = self._backend.state[namespace]
        containers = space.containers
        if not space.had_containers:
            raise not_found(f'cannot update container "{wanted.id}" in namespace "{namespace}"')
        if wanted.id not in containers:
            raise not_found(f'container "{wanted.id}"')
        updated = _copy(containers[wanted.id])
        if not request.update_mask.paths:
            if updated.snapshotter != wanted.snapshotter:
                raise invalid_argument("container.Snapshotter field is immutable")
            if updated.runtime.name != wanted.runtime.name:
                raise invalid_argument("container.Runtime.Name field is immutable")
        for path in request.update_mask.paths or _ALL_FIELDS:
            _change(updated, wanted, path)
        try:
            _validate(updated, self._backend.version)
        except Refusal as refusal:
            raise Refusal(refusal.code, f"update failed validation: {refusal.text}") from None
        updated.updated_at.CopyFrom(now())
        containers[wanted.id] = updated
        event = events_pb2.ContainerUpdate(
            id=updated.id, image=updated.image, labels=updated.labels, snapshot_key=updated.snapshot_key
        )
        self._backend.bus.publish(namespace, "/containers/update", event)
        return pb.UpdateContainerResponse(container=updated)

    async def delete(self, request: pb.DeleteContainerRequest, call: Call) -> Empty:
        """Remove a record; its snapshot is the garbage collector's, its task others' business."""
        namespace = call.required_namespace()
        space = self._backend.state[namespace]
        if not space.had_containers:
            raise not_found(f'cannot delete container "{request.id}" in namespace "{namespace}"')
        if space.containers.pop(request.id, None) is None:
            raise not_found(f"container {request.id}")
        self._backend.removed_something()
        self._backend.bus.publish(namespace, "/containers/delete", events_pb2.ContainerDelete(id=request.id))
        return Empty()

    def _matching(self, texts: Sequence[str], call: Call) -> Sequence[pb.Container]:
        filters = Filters(texts, said_twice=True)
        containers = self._backend.state[call.required_namespace()].containers
        return filters.select((container for _, container in sorted(containers.items())), _field)


def _field(container: pb.Container, path: Sequence[str]) -> tuple[str, bool]:
    if path[0] == "id":
        return container.id, bool(container.id)
    if path[0] == "image":
        return container.image, bool(container.image)
    if list(path) == ["runtime", "name"]:
        return container.runtime.name, bool(container.runtime.name)
    return label_field(path[1:], container.labels) if path[0] == "labels" else ("", False)


def _validate(container: pb.Container, version: tuple[int, int], *, needs_spec: bool = True) -> None:
    try:
        validate_identifier(container.id)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"container.ID: {refusal.text}") from None
    if "" in container.extensions:
        raise invalid_argument("container.Extension keys must not be zero-length")
    validate_labels(container.labels, "containers.Labels", version)
    if not container.runtime.name:
        raise invalid_argument("container.Runtime.Name must be set")
    if needs_spec and not container.HasField("spec"):
        raise invalid_argument("container.Spec must be set")
    if container.snapshot_key and not container.snapshotter:
        raise invalid_argument("container.Snapshotter must be set if container.SnapshotKey is set")


def _change(updated: pb.Container, wanted: pb.Container, path: str) -> None:
    labels = dict(updated.labels)
    if set_label(labels, wanted.labels, path):
        _set_labels(updated, labels)
    elif path.startswith("extensions."):
        key = path.removeprefix("extensions.")
        updated.extensions[key].CopyFrom(wanted.extensions[key])
    elif path == "labels":
        _set_labels(updated, wanted.labels)
    elif path == "spec":
        updated.spec.CopyFrom(wanted.spec)
    elif path == "extensions":
        updated.ClearField("extensions")
        for key, value in wanted.extensions.items():
            updated.extensions[key].CopyFrom(value)
    elif path == "image":
        updated.image = wanted.image
    elif path == "snapshotkey":
        updated.snapshot_key = wanted.snapshot_key
    else:
        raise invalid_argument(f'cannot update "{path}" field on "{wanted.id}"')


def _set_labels(container: pb.Container, labels: Mapping[str, str]) -> None:
    remaining = without_empty(labels)
    container.ClearField("labels")
    container.labels.update(remaining)


def _copy(container: pb.Container) -> pb.Container:
    copy = pb.Container()
    copy.CopyFrom(container)
    return copy
