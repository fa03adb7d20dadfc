"""A ledger that is read from a recording: all of its requests are kept, and no more come."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from containerd_client.hops import Hop
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.packed import UNPACKABLE
from cri_shim.network.exec import Helper
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.ledger.ledger import LedgerObserver
    from cri_shim.ledger.request import Request
    from cri_shim.recording.shapes import EventShape

MOST_REQUESTS: Final = 10_000
"""The most requests of a recording."""


class RecordedLedger(Ledger):
    """The requests of a recording, in the order of their ids."""

    def __init__(self, requests: Iterable[Request]) -> None:
        super().__init__()
        self.followed = asyncio.Event()
        """Set while live events reach a client."""
        self._newest = deque(maxlen=MOST_REQUESTS)
        for request in requests:
            try:
                self._keep(request)
            except UNPACKABLE as error:
                raise ValueError(f"request {request.id} cannot be kept: {error}") from error
            self.count = request.id

    def _follow(self, listeners: tuple[LedgerObserver, ...]) -> None:
        super()._follow(listeners)
        if listeners:
            self.followed.set()
        else:
            self.followed.clear()

    def send(self, event: EventShape) -> None:
        """Send a recorded live event to the listeners; one about a request that is not here belongs to no request."""
        request = self.find(event.id)
        for listener in self._listeners:
            _send(listener, request, event)


def _send(listener: LedgerObserver, request: Request | None, event: EventShape) -> None:
    method, name, command = escaped(event.method), escaped(event.name), escaped(event.command)
    match event.event, event.phase:
        case "hop", "start":
            listener.called(request, method)
        case "hop", "end":
            listener.hopped(request, Hop(method, 0.0, 0.0, 0, 0, 1, escaped(event.code)))
        case "helper", "start":
            listener.helper_begun(request, name, command)
        case "helper", "end":
            listener.helped(request, Helper(name, command, 0.0, 0.0, 0))
        case "start", _ if request is not None:
            listener.opened(request)
        case "end", _ if request is not None:
            listener.closed(request)
        case "settled", _ if request is not None:
            listener.rebilled(request, ())
