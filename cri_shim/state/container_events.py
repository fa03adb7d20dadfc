"""Collect the events of pods and containers for the clients that subscribe to them (docs/adr/0009).

The stores are the only source of events: each change of an :class:`~cri_shim.state.index.Index` arrives here as old and
new value, and :mod:`cri_shim.state.transitions` says which events it makes. An event holds the pod and its containers
as they were at that moment. These values are immutable, so an event keeps references instead of copies, and the
subscriber that sends an event makes the message.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from cri_shim.errors import CriError, ResourceExhaustedError, UnavailableError
from cri_shim.state.transitions import container_transitions, sandbox_transitions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.state.transitions import EventType

EVENTS_BUFFERED = 2048
"""How many events one subscriber may be behind: about the lives of 250 pods of one container each."""

log = structlog.get_logger(__name__)


class Event(Struct, frozen=True):
    """One event. ``at_ns`` is nanoseconds since 1970, later than that of every event before."""

    id: str
    """The id of the container, or of the sandbox for an event of the pod itself."""
    type: EventType
    at_ns: int
    sandbox: Sandbox | None
    """The pod at that moment; None only for a container whose pod is not known."""
    containers: tuple[Container, ...]
    """All containers of the pod at that moment."""


class Subscription:
    """The events of one subscriber, in order; :meth:`take` raises the reason once the subscription has ended.

    A subscription is passive: it calls ``wake`` when there is something to take, and
    :mod:`cri_shim.sync.event_reader` does the waiting.
    """

    def __init__(self, forget: Callable[[Subscription], None], wake: Callable[[], None], limit: int) -> None:
        self._forget = forget
        self._wake = wake
        self._limit = limit
        self._waiting: deque[Event] = deque()
        self._end: CriError | None = None

    def take(self) -> Event | None:
        """Return the next event, or None when there is none yet.

        Raises ResourceExhaustedError for a subscriber that was too slow, and UnavailableError when the daemon ends.
        """
        if self._waiting:
            return self._waiting.popleft()
        if self._end is not None:
            raise self._end
        return None

    def offer(self, event: Event) -> None:
        """Add an event. A subscriber that is too far behind is ended, and the events it has not taken are freed."""
        if len(self._waiting) < self._limit:
            self._waiting.append(event)
            self._wake()
            return
        self._waiting.clear()
        log.warning("events.subscriber_too_slow", kept=self._limit)
        self.end(
            ResourceExhaustedError(
                f"this subscriber is more than {self._limit} events behind and was dropped; subscribe again and list"
            )
        )

    def end(self, reason: CriError) -> None:
        """End the subscription: the subscriber takes the events that wait, and then :meth:`take` raises ``reason``.

        No event is added any more. A client that does not read learns of the end when it reads again, or when its
        connection is closed.
        """
        self._end = reason
        self._wake()
        self.close()

    def close(self) -> None:
        """Stop collecting, because the reader is gone."""
        self._forget(self)


class Events:
    """Watches both stores and passes their changes on to all subscribers."""

    def __init__(self, sandboxes: Index[Sandbox], containers: Index[Container]) -> None:
        self._sandboxes = sandboxes
        self._containers = containers
        self._subscribers: dict[int, Subscription] = {}
        self._latest = 0
        sandboxes.watch(self._sandbox_changed)
        containers.watch(self._container_changed)

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, wake: Callable[[], None], limit: int = EVENTS_BUFFERED) -> Subscription:
        """Collect events from now on, and call ``wake`` at each; the subscriber closes the subscription."""
        subscription = Subscription(self._forget, wake, limit)
        self._subscribers[id(subscription)] = subscription
        return subscription

    def close(self) -> None:
        """End every subscription, because the daemon ends."""
        for subscription in tuple(self._subscribers.values()):
            subscription.end(UnavailableError("cri-shim is shutting down; subscribe again when it is back"))

    def _forget(self, subscription: Subscription) -> None:
        self._subscribers.pop(id(subscription), None)

    def _sandbox_changed(self, old: Sandbox | None, new: Sandbox | None) -> None:
        last = new or old
        if last is not None and self._subscribers:
            # The event of a deleted pod carries its last known value, without a process: it no longer runs.
            self._notify(last.id, sandbox_transitions(old, new), new or last.replace(pid=0))

    def _container_changed(self, old: Container | None, new: Container | None) -> None:
        last = new or old
        if last is not None and self._subscribers:
            # find() would raise for an unreadable record, whose sandbox id may be empty or otherwise invalid.
            sandbox = next((one for one in self._sandboxes if one.id == last.sandbox_id), None)
            self._notify(last.id, container_transitions(old, new), sandbox)

    def _notify(self, id_: str, types: tuple[EventType, ...], sandbox: Sandbox | None) -> None:
        if not types:
            return
        members = () if sandbox is None else tuple(c for c in self._containers if c.sandbox_id == sandbox.id)
        for type_ in types:
            # When the clock is set back, an older status must not look newer to the kubelet.
            self._latest = max(self._latest + 1, time.time_ns())
            event = Event(id_, type_, self._latest, sandbox, members)
            for subscription in tuple(self._subscribers.values()):
                subscription.offer(event)
