"""containerd.services.events.v1 of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.events.v1 import events_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from tests.fakes.containerd.bus import Subscription
from tests.fakes.containerd.filters import Filters
from tests.fakes.containerd.identifiers import validate_identifier, validate_topic
from tests.fakes.containerd.refusals import Refusal, bare, invalid_argument
from tests.fakes.containerd.state import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call


class Events:
    """Publish, Forward and Subscribe."""

    descriptor = pb.DESCRIPTOR.services_by_name["Events"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def publish(self, request: pb.PublishRequest, call: Call) -> Empty:
        """Put an event on the bus, in the caller's namespace."""
        try:
            namespace = call.required_namespace()
        except Refusal as refusal:
            raise Refusal(refusal.code, f"failed publishing event: {refusal.text}") from None
        validate_topic(request.topic)
        self._backend.bus.forward(
            types_pb2.Envelope(timestamp=now(), namespace=namespace, topic=request.topic, event=request.event)
        )
        return Empty()

    async def forward(self, request: pb.ForwardRequest, call: Call) -> Empty:
        """Put an envelope on the bus."""
        del call
        envelope = request.envelope
        try:
            validate_identifier(envelope.namespace)
        except Refusal as refusal:
            raise Refusal(refusal.code, f"event envelope has invalid namespace: {refusal.text}") from None
        validate_topic(envelope.topic)
        if not envelope.HasField("timestamp"):
            raise invalid_argument("timestamp must be set on forwarded event")
        self._backend.bus.forward(envelope)
        return Empty()

    async def subscribe(self, request: pb.SubscribeRequest, call: Call) -> AsyncIterator[types_pb2.Envelope]:
        """Return events of all namespaces until the client hangs up."""
        del call
        try:
            filters = Filters(request.filters)
        except Refusal as refusal:
            text = f"subscription error: failed parsing subscription filters: {refusal.text}"
            # The one place where containerd answers a malformed filter without a kind.
            raise bare(grpc.StatusCode.UNKNOWN, text) from None
        subscription = Subscription(filters)
        subscriptions = self._backend.bus.subscriptions
        subscriptions.append(subscription)
        try:
            while True:
                yield await self._backend.until_gone(subscription.queue.get())
        finally:
            subscriptions.remove(subscription)
