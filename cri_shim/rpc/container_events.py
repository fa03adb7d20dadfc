"""GetContainerEvents: stream changes of pods and containers as they happen, each with the whole pod.

The headers are sent once the subscription is in place. Earlier events are not sent, so a subscriber lists afterwards.
Events of one pod come in their order, with the statuses of that moment. A subscriber that falls behind is ended with
RESOURCE_EXHAUSTED (:mod:`cri_shim.state.container_events`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc import container_status, sandbox_status
from cri_shim.state.wire import UNENCODABLE, warn_unlistable
from cri_shim.sync.event_reader import EventReader
from cri_shim.timeline import note_wait

if TYPE_CHECKING:
    from cri_shim.images.store import ImageStore
    from cri_shim.service import Service
    from cri_shim.state.container_events import Event


async def get_container_events(service: Service, _request: cri.GetEventsRequest) -> EventStream:
    """Return a stream of everything that happens from now on."""
    stream = EventStream(service, EventReader(service.events))
    service.ledger.note_listening()
    return stream


class EventStream:
    """A subscription as an iterator of messages."""

    def __init__(self, service: Service, reader: EventReader) -> None:
        self._service = service
        self._reader = reader
        self._began = time.perf_counter()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> cri.ContainerEventResponse:
        """Return the next event that has a wire form; the subscription ends by raising the reason."""
        while True:
            event = await self._reader.__anext__()
            try:
                return event_message(self._service.images, event)
            except UNENCODABLE as error:
                warn_unlistable("event", event.id, error)

    async def aclose(self) -> None:
        """End the subscription, and note its whole time as waiting for events."""
        self._reader.close()
        note_wait("event", self._began)


def event_message(images: ImageStore, event: Event) -> cri.ContainerEventResponse:
    """Return ``event`` as a message.

    Without a pod it has no statuses at all, because the kubelet takes both or none.
    """
    response = cri.ContainerEventResponse(
        container_id=event.id, container_event_type=event.type, created_at=event.at_ns
    )
    if event.sandbox is not None:
        response.pod_sandbox_status.CopyFrom(sandbox_status.status_of(event.sandbox))
        response.containers_statuses.extend(container_status.status_of(images, one) for one in event.containers)
    return response
