"""containerd.services.namespaces.v1 of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.namespaces.v1 import namespaces_pb2 as pb
from tests.fakes.containerd.identifiers import validate_identifier, validate_labels
from tests.fakes.containerd.refusals import already_exists, bare, failed_precondition, not_found
from tests.fakes.containerd.updates import without_empty

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call


class Namespaces:
    """Namespaces and their labels. They need no header."""

    descriptor = pb.DESCRIPTOR.services_by_name["Namespaces"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, request: pb.GetNamespaceRequest, call: Call) -> pb.GetNamespaceResponse:
        """Return one, also one that is not there: it has no labels then."""
        del call
        return pb.GetNamespaceResponse(namespace=self._described(request.name))

    async def list(self, request: pb.ListNamespacesRequest, call: Call) -> pb.ListNamespacesResponse:
        """Return all."""
        del request, call
        return pb.ListNamespacesResponse(
            namespaces=[self._described(name) for name in sorted(self._backend.state.spaces)]
        )

    async def create(self, request: pb.CreateNamespaceRequest, call: Call) -> pb.CreateNamespaceResponse:
        """Make one."""
        wanted = request.namespace
        validate_identifier(wanted.name)
        validate_labels(wanted.labels, "namespace.Labels", self._backend.version)
        if wanted.name in self._backend.state.spaces:
            raise already_exists(f'namespace "{wanted.name}"')
        self._backend.state.writable(wanted.name).labels = without_empty(wanted.labels)
        event = events_pb2.NamespaceCreate(name=wanted.name, labels=wanted.labels)
        self._publish("/namespaces/create", wanted.name, event, call)
        return pb.CreateNamespaceResponse(namespace=wanted)

    async def update(self, request: pb.UpdateNamespaceRequest, call: Call) -> pb.UpdateNamespaceResponse:
        """Change labels. The answer is empty, as containerd's is."""
        wanted = request.namespace
        validate_labels(wanted.labels, "namespace.Labels", self._backend.version)
        labels = dict(self._backend.state[wanted.name].labels)
        if not request.update_mask.paths:
            labels = dict(wanted.labels)
        for path in request.update_mask.paths:
            if not path.startswith("labels."):
                raise bare(grpc.StatusCode.INVALID_ARGUMENT, f'cannot update "{path}" field')
            key = path.removeprefix("labels.")
            labels[key] = wanted.labels.get(key, "")
        self._backend.state.writable(wanted.name).labels = without_empty(labels)
        event = events_pb2.NamespaceUpdate(name=wanted.name, labels=wanted.labels)
        self._publish("/namespaces/update", wanted.name, event, call)
        return pb.UpdateNamespaceResponse()

    async def delete(self, request: pb.DeleteNamespaceRequest, call: Call) -> Empty:
        """Remove an empty one."""
        del call
        spaces = self._backend.state.spaces
        if request.name not in spaces:
            raise not_found(f'namespace "{request.name}"')
        left = spaces[request.name].kinds_left
        if left:
            raise failed_precondition(f'namespace "{request.name}" must be empty, but it still has {", ".join(left)}')
        del spaces[request.name]
        self._backend.bus.publish(request.name, "/namespaces/delete", events_pb2.NamespaceDelete(name=request.name))
        return Empty()

    def _publish(self, topic: str, name: str, event: Message, call: Call) -> None:
        """Publish in the namespace itself; before 1.7, in that of the caller."""
        namespace = name if self._backend.version >= (1, 7) else call.required_namespace()
        self._backend.bus.publish(namespace, topic, event)

    def _described(self, name: str) -> pb.Namespace:
        return pb.Namespace(name=name, labels=self._backend.state[name].labels)
