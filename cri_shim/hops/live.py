"""The ledger as it is written, for those who watch: server-sent events.

While nobody watches, the ledger does not know of this. A client that does not read fast enough loses events and is told
how many; the daemon never waits for one.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cri_shim.hops.ledger import Listener
from cri_shim.hops.record_json import summary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from containerd_client.hops import Hop
    from cri_shim.hops.ledger import Ledger
    from cri_shim.hops.request import Request
    from cri_shim.network.exec import Helper

QUEUED = 1000
"""Events that wait for one client."""


class Watcher(Listener):
    """One client: a listener of the ledger with a bounded queue of finished event texts."""

    at_once = True

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)
        self._lost = 0

    async def next(self) -> bytes:
        """The next event, ready to be sent."""
        return await self._queue.get()

    def opened(self, request: Request) -> None:
        """``start``."""
        self._put("start", {"id": request.id, "method": request.method, "subject": dict(request.subject)})

    def called(self, request: Request | None, method: str) -> None:
        """``hop``, phase ``start``."""
        self._put("hop", {"id": request.id if request else 0, "method": method, "phase": "start", "code": ""})

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """``hop``, phase ``end``."""
        self._put("hop", {"id": request.id if request else 0, "method": hop.method, "phase": "end", "code": hop.code})

    def helper_begun(self, request: Request | None, name: str, command: str) -> None:
        """``helper``, phase ``start``."""
        self._put("helper", {"id": request.id if request else 0, "name": name, "command": command, "phase": "start"})

    def helped(self, request: Request | None, helper: Helper) -> None:
        """``helper``, phase ``end``."""
        told = {"id": request.id if request else 0, "name": helper.name, "command": helper.command, "phase": "end"}
        self._put("helper", told)

    def closed(self, request: Request) -> None:
        """``end``."""
        self._put("end", summary(request))

    def settled(self, request: Request, _told: Collection[str]) -> None:
        """``settled``: the bill has changed since ``end``."""
        self._put("settled", summary(request))

    def _put(self, name: str, data: dict[str, Any]) -> None:
        if self._queue.full():
            self._lost += 1
            return
        if self._lost and self._queue.maxsize - self._queue.qsize() > 1:
            self._queue.put_nowait(event("lost", {"events": self._lost}))
            self._lost = 0
        self._queue.put_nowait(event(name, data))


@contextmanager
def watching(ledger: Ledger) -> Iterator[Watcher]:
    """Follow ``ledger`` for the length of a ``with`` block."""
    watcher = Watcher()
    ledger.listen(watcher)
    try:
        yield watcher
    finally:
        ledger.leave(watcher)


def event(name: str, data: Any) -> bytes:
    """One server-sent event (HTML standard, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
