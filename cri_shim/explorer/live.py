"""Send the ledger to watching clients while it is written, as server-sent events.

While no client watches, the ledger does no work for this module. Each event is serialised once, whatever the number of
clients, and the events of a moment are sent in one piece. A client that does not read fast enough loses events, and
gets an event that says how many; the daemon never waits for a client.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.ledger.record_json import names_json, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from containerd_client.hops import Hop
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.ledger.request import Request
    from cri_shim.network.exec import Helper

MOST_WATCHERS = 32
"""The most clients that may watch at once."""
QUEUED = 1000
"""The most events that wait for one client."""
MOMENT = 0.05
"""Seconds for which events are collected before they are sent."""


class Watcher:
    """The queue of one client: pieces of finished text, and how many events each holds."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._lost = 0
        self._wake = asyncio.Event()

    async def next(self) -> bytes:
        """Return everything that waits, ready to be sent; wait for the next event if there is nothing."""
        await self._wake.wait()
        self._wake.clear()
        self._note_lost()  # there may be no next event for a long time
        text = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        return text

    def offer(self, piece: bytes, events: int) -> None:
        """Add a piece, unless too much waits already."""
        if self._waiting + events > QUEUED:
            self._lost += events
            return
        self._note_lost()
        self._pieces.append(piece)
        self._waiting += events
        self._wake.set()

    def _note_lost(self) -> None:
        if self._lost:
            self._pieces.append(event("lost", {"events": self._lost}))
            self._lost = 0


class LiveFeed(LedgerObserver):
    """Sends the events of ``ledger`` to all watchers; ``later`` is ``call_later`` of an event loop."""

    at_once = True

    def __init__(self, ledger: Ledger, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._ledger = ledger
        self._later = later
        self._watchers: set[Watcher] = set()
        self._texts: list[bytes | Request] = []
        """What is to be sent; a request that has arrived becomes text when it is sent, and then has its subject."""

    def __len__(self) -> int:
        return len(self._watchers)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Follow the ledger for the length of a ``with`` block."""
        self._flush()  # earlier events are not for the new watcher
        watcher = Watcher()
        self._watchers.add(watcher)
        if len(self._watchers) == 1:
            self._ledger.listen(self)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._ledger.leave(self)
                self._texts.clear()

    def opened(self, request: Request) -> None:
        """Send ``start``."""
        self._add(request)

    def called(self, request: Request | None, method: str) -> None:
        """Send ``hop``, phase ``start``."""
        self._put("hop", {"id": request.id if request else 0, "method": method, "phase": "start", "code": ""})

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """Send ``hop``, phase ``end``."""
        self._put("hop", {"id": request.id if request else 0, "method": hop.method, "phase": "end", "code": hop.code})

    def helper_begun(self, request: Request | None, name: str, command: str) -> None:
        """Send ``helper``, phase ``start``."""
        self._put("helper", {"id": request.id if request else 0, "name": name, "command": command, "phase": "start"})

    def helped(self, request: Request | None, helper: Helper) -> None:
        """Send ``helper``, phase ``end``."""
        event = {"id": request.id if request else 0, "name": helper.name, "command": helper.command, "phase": "end"}
        self._put("helper", event)

    def closed(self, request: Request) -> None:
        """Send ``end``."""
        self._put("end", summary(request))

    def rebilled(self, request: Request, _span_ids: Collection[str]) -> None:
        """Send ``settled``: the bill has changed since ``end``."""
        self._put("settled", summary(request))

    def _put(self, name: str, data: dict[str, Any]) -> None:
        self._add(event(name, data))

    def _add(self, text: bytes | Request) -> None:
        self._texts.append(text)
        if len(self._texts) >= QUEUED // 2:
            self._flush()
        elif len(self._texts) == 1:
            self._later(MOMENT, self._flush)

    def _flush(self) -> None:
        texts, self._texts = self._texts, []
        if texts:
            piece = b"".join(text if isinstance(text, bytes) else self._started(text) for text in texts)
            for watcher in self._watchers:
                watcher.offer(piece, len(texts))

    def _started(self, request: Request) -> bytes:
        names = names_json(self._ledger.name(request).names)
        start = {"id": request.id, "method": request.method, "subject": dict(request.subject), **names}
        start["started_at"] = round(request.started_at, 6)  # the browser's clock may be another
        return event("start", start)


def event(name: str, data: Any) -> bytes:
    """Return one server-sent event (HTML standard, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
