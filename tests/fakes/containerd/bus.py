"""The event bus: envelopes to all subscriptions that want them, in the order of publication."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.types import types_pb2
from tests.fakes.containerd.state import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from tests.fakes.containerd.filters import Filters


class Subscription:
    """One subscriber's queue."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self.queue: asyncio.Queue[types_pb2.Envelope] = asyncio.Queue()

    def offer(self, envelope: types_pb2.Envelope) -> None:
        """Queue an event that passes the filters."""
        if self._filters.select([envelope], _field):
            self.queue.put_nowait(envelope)


class Bus:
    """``published`` keeps all events of the fake's life, for asserts."""

    def __init__(self) -> None:
        self.published: list[types_pb2.Envelope] = []
        self.subscriptions: list[Subscription] = []

    def publish(self, namespace: str, topic: str, message: Message) -> None:
        """Put an event on the bus as containerd does: its type is the bare name of the message."""
        event = Any(type_url=message.DESCRIPTOR.full_name, value=message.SerializeToString())
        self.forward(types_pb2.Envelope(timestamp=now(), namespace=namespace, topic=topic, event=event))

    def forward(self, envelope: types_pb2.Envelope) -> None:
        """Put an envelope on the bus as it is."""
        self.published.append(envelope)
        for subscription in self.subscriptions:
            subscription.offer(envelope)

    def topics(self) -> list[str]:
        """Return the topics of all events so far, without those of subscribers that ask whether they are heard."""
        return [one.topic for one in self.published if not one.topic.startswith("/containerd-client/")]


def _field(envelope: types_pb2.Envelope, path: Sequence[str]) -> tuple[str, bool]:
    """Give filters the fields that they may name; those of the message itself only where they are texts."""
    if path[0] == "namespace":
        return envelope.namespace, bool(envelope.namespace)
    if path[0] == "topic":
        return envelope.topic, bool(envelope.topic)
    kind = getattr(events_pb2, envelope.event.type_url.rpartition(".")[2], None)
    if path[0] == "event" and len(path) > 1 and kind is not None:
        value = getattr(kind.FromString(envelope.event.value), path[1], "")
        return (value, bool(value)) if isinstance(value, str) else ("", False)
    return "", False
