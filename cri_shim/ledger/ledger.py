"""The one recorder: every request, its hops and helpers, kept while memory is bounded, told to whoever listens.

Metrics, spans, the explorer page, the terminal table and the line in the log are views of these records and therefore
cannot disagree. A request is opened and closed in :mod:`cri_shim.server.instrument`; in between, the client of
containerd and the runner of CNI plugins report to :meth:`Ledger.note_hop` and :meth:`Ledger.note_helper`, which find
the request in hand in a context variable. The bill is made out at once, for the answer takes it along; the books are
kept a moment later, for several requests in one go (docs/adr/0024). Nothing here awaits.

Text that enters a record is encodable and of bounded length: that of requests comes so from the instrument layer, names
of helpers are cleaned here. A record that cannot be kept or counted all the same costs itself only.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import structlog
from msgspec import structs

from cri_shim.ledger.billing import close_request, rebill
from cri_shim.ledger.front_estimate import FrontEstimate
from cri_shim.ledger.packed import UNPACKABLE, PackedRequest
from cri_shim.ledger.request import Request
from cri_shim.ledger.trace_context import span_of
from cri_shim.ledger.transport.transport_estimate import TransportEstimate
from cri_shim.network.exec import Helper
from cri_shim.status_text import status_text
from cri_shim.timeline import current_request, inside
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from containerd_client.hops import Hop
    from cri_shim.ledger.trace_context import TraceContext

CAPACITY = 1000
"""Requests that are kept, the newest of all methods."""
CAPACITY_OF_EACH = 100
"""Of each method as many of the newest are kept beyond that: a quiet node asks for lists all day."""
SLOWEST_OF_EACH = 10
"""And as many of the slowest."""
MOST_WAITING = 64
"""Requests that have ended and wait for the books to be kept, at most."""

LATE = 0.001
"""Seconds; a hop that is sent later than this after its begin waited for the event loop: that is own work."""

log = structlog.get_logger(__name__)


class LedgerObserver:
    """A view that follows the ledger while it is written; it overrides what it cares for.

    Its methods run inside requests: short, and never raising.
    """

    at_once = False
    """It is to be told of a closed request when that is closed, not when there is time."""

    def opened(self, request: Request) -> None:
        """A request has come in."""

    def called(self, request: Request | None, method: str) -> None:
        """A hop has begun; None: on behalf of no request."""

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """A hop has ended."""

    def helper_begun(self, request: Request | None, name: str, command: str) -> None:
        """A helper has begun."""

    def helped(self, request: Request | None, helper: Helper) -> None:
        """A helper has ended."""

    def closed(self, request: Request) -> None:
        """A request was answered and its bill is made out."""

    def rebilled(self, request: Request, span_ids: Collection[str]) -> None:
        """Containerd has told its share of hops of a closed request (``span_ids``); there is a new bill."""


class Ledger:
    """Requests in hand and requests that have ended.

    ``later`` runs what it is given in a moment, as an event loop can; without it the books are kept at once. ``soon``
    runs it when all is done that the event loop has before it (``call_soon``).
    """

    def __init__(
        self,
        later: Callable[[Callable[[], None]], object] | None = None,
        soon: Callable[..., object] | None = None,
    ) -> None:
        self._soon = soon
        self.transport = TransportEstimate()
        """What a hop's transport takes where containerd's spans do not say it."""
        self.front = FrontEstimate()
        """What the hop between client and daemon takes."""
        self.quiet_since = time.perf_counter()
        """When something last went over the connection to containerd, a call or its answer."""
        self.helpers_running = 0
        self.active_requests: dict[int, Request] = {}
        self._listening: set[int] = set()
        self.count = 0
        """Requests that have come in so far."""
        self._packed: WeakValueDictionary[int, PackedRequest] = WeakValueDictionary()
        """Whatever one of the rings below holds, by the id of its request."""
        self._newest: deque[PackedRequest] = deque(maxlen=CAPACITY)
        self._by_method: defaultdict[str, deque[PackedRequest]] = defaultdict(lambda: deque(maxlen=CAPACITY_OF_EACH))
        self._slowest: defaultdict[str, list[tuple[float, int, PackedRequest]]] = defaultdict(list)
        self._listeners: tuple[LedgerObserver, ...] = ()
        self._later = later
        self._at_once = False
        self._ended: deque[Request] = deque()
        self.lost = 0
        """Requests whose record could not be kept or counted."""

    def listen(self, listener: LedgerObserver) -> None:
        """Tell ``listener`` everything from now on."""
        self._follow((*self._listeners, listener))

    def leave(self, listener: LedgerObserver) -> None:
        """Tell ``listener`` nothing more."""
        self._follow(tuple(other for other in self._listeners if other is not listener))

    def _follow(self, listeners: tuple[LedgerObserver, ...]) -> None:
        self.catch_up()
        self._listeners = listeners
        self._at_once = any(listener.at_once for listener in listeners)

    def open(
        self, method: str, api: str = "v1", trace: TraceContext | None = None, sent_at: float | None = None
    ) -> Request:
        """Begin the record of a request; hops and helpers of this task and its children are noted in it.

        ``sent_at``: Unix seconds at which the client says that it sent the request.
        """
        self.count += 1
        request = Request(self.count, method, api, trace)
        self.front.charge(request, sent_at)
        self.active_requests[request.id] = request
        current_request.set(request)
        for listener in self._listeners:
            listener.opened(request)
        return request

    def close(self, request: Request, code: str = "OK", error: str = "") -> None:
        """End the record and make out the bill; both are kept when the ledger catches up."""
        self.front.charge_answer(request, code)
        close_request(request, code, error, self.transport.charge_unfinished)
        del self.active_requests[request.id]
        self._listening.discard(request.id)
        self._ended.append(request)
        if self._later is None or self._at_once or len(self._ended) >= MOST_WAITING:
            self.catch_up()
        elif len(self._ended) == 1:
            self._later(self.catch_up)

    def catch_up(self) -> None:
        """Keep what has ended since the last time, and tell the listeners; whoever reads what is kept asks for it."""
        while self._ended:
            request = self._ended.popleft()
            try:
                self._keep(request)
            except UNPACKABLE:
                self._keep_cleaned(request)
            for listener in self._listeners:
                _notify(listener.closed, request)

    def _keep_cleaned(self, request: Request) -> None:
        request.subject = {key: escaped(str(value)) for key, value in request.subject.items()}
        request.error = status_text(request.error)
        try:
            self._keep(request)
        except UNPACKABLE:
            self.lost += 1
            log.exception("ledger.record_lost", request=request.id, rpc=request.method)

    def _keep(self, request: Request) -> None:
        packed = self._packed[request.id] = PackedRequest(request)
        self._newest.append(packed)
        self._by_method[request.method].append(packed)
        slowest, wall = self._slowest[request.method], request.bill.wall
        if len(slowest) < SLOWEST_OF_EACH:
            heappush(slowest, (wall, request.id, packed))
        elif wall > slowest[0][0]:
            heappushpop(slowest, (wall, request.id, packed))

    def rebill(self, request: Request, span_ids: Collection[str]) -> None:
        """Make out the bill of a closed request anew: containerd has told its share of the hops in ``span_ids``."""
        rebill(request)
        if (packed := self._packed.get(request.id)) is not None:
            packed.keep(request)
        for listener in self._listeners:
            listener.rebilled(request, span_ids)

    def note_call(self, method: str, started: float) -> str:
        """A hop begins; the result is the ``traceparent`` that is to go with it."""
        gap, self.quiet_since = started - self.quiet_since, started
        request = _current_request()
        for listener in self._listeners:
            listener.called(request, method)
        if request is None:
            return ""
        trace = request.trace
        traceparent = "" if trace is None else trace.for_hop()
        if trace is not None and trace.exported and (block := inside.get()) is not None:
            request.blocks[span_of(traceparent)] = block
        request.in_flight[(method, started)] = traceparent
        request.gaps[(method, started)] = gap
        request.count_cpu()
        request.beside += 1
        if self._soon is not None:
            self._soon(_note_sending, request, started)  # just before the task of gRPC's that sends the hop
        return traceparent

    def note_hop(self, hop: Hop) -> None:
        """A hop has ended: add it to the request in hand, if there is one."""
        ended = hop.started + hop.duration
        quiet, self.quiet_since = ended - self.quiet_since, ended
        request = _current_request()
        if request is not None:
            request.in_flight.pop((hop.method, hop.started), None)
            gap = request.gaps.pop((hop.method, hop.started), 0.0)
            request.hops.append(hop)
            request.charges.append(self.transport.charge(request.method, hop, gap, quiet, self.busy))
            request.count_cpu()
            request.beside -= 1
        for listener in self._listeners:
            listener.hopped(request, hop)

    def note_run(self, name: str, command: str) -> None:
        """A helper begins."""
        self.helpers_running += 1
        request, name = _current_request(), escaped(name)
        if request is not None:
            request.count_cpu()
            request.beside += 1
            request.running = [*(request.running or ()), Helper(name, command, time.perf_counter(), 0.0, None)]
        for listener in self._listeners:
            listener.helper_begun(request, name, command)

    def note_helper(self, helper: Helper) -> None:
        """A helper has ended: add it to the request in hand, if there is one."""
        self.helpers_running -= 1
        request = _current_request()
        if (name := escaped(helper.name)) != helper.name:
            helper = structs.replace(helper, name=name)
        if request is not None:
            request.helpers.append(helper)
            request.running = _without(request.running, helper)
            request.count_cpu()
            request.beside -= 1
        for listener in self._listeners:
            listener.helped(request, helper)

    def note_listening(self) -> None:
        """The request in hand only waits for events from now on: a kubelet has such a stream open for days."""
        request = _current_request()
        if request is not None:
            self._listening.add(request.id)

    @property
    def busy(self) -> int:
        """How much is under way: requests in hand that do more than wait for events, and helpers."""
        return len(self.active_requests) - len(self._listening) + self.helpers_running

    @property
    def idle(self) -> bool:
        """No request is in hand that does more than wait for events."""
        return len(self.active_requests) == len(self._listening)

    def newest(self) -> list[PackedRequest]:
        """Those that have ended and are among the newest of all, oldest first."""
        return list(self._newest)

    def newest_of(self, method: str) -> list[PackedRequest]:
        """The newest of one method, oldest first."""
        return list(self._by_method.get(method, ()))

    def remembered(self, method: str = "") -> list[PackedRequest]:
        """Of one method or of all, whatever is kept for being among the newest, oldest first."""
        newest = (packed for packed in self._newest if not method or packed.method == method)
        rings = [self._by_method.get(method, ())] if method else list(self._by_method.values())
        known = {packed.id: packed for ring in (newest, *rings) for packed in ring}
        return [known[number] for number in sorted(known)]

    def slowest(self, method: str = "") -> list[PackedRequest]:
        """The slowest of one method or of each, slowest first."""
        heaps: Iterable[list[Any]] = [self._slowest.get(method, [])] if method else self._slowest.values()
        return [packed for _, _, packed in sorted((entry for heap in heaps for entry in heap), reverse=True)]

    def find(self, number: int) -> Request | None:
        """One request by its id, in hand or kept."""
        if (request := self.active_requests.get(number)) is not None:
            return request
        packed = self._packed.get(number)
        return None if packed is None else packed.request()


class LedgerOff(Ledger):
    """A ledger that keeps nothing: a request only knows its wall time, for the line in the log."""

    def open(
        self,
        method: str,
        api: str = "v1",
        trace: TraceContext | None = None,
        sent_at: float | None = None,  # noqa: ARG002
    ) -> Request:
        """Make a request in which nothing can be noted."""
        return Request(0, method, api, trace)

    def close(self, request: Request, code: str = "OK", error: str = "") -> None:
        """Take its wall time."""
        close_request(request, code, error)


def _notify(closed: Callable[[Request], None], request: Request) -> None:
    """Tell one listener of a closed request; what it cannot say of this one does not keep it from the next."""
    try:
        closed(request)
    except UNPACKABLE:
        log.exception("ledger.view_failed", request=request.id, rpc=request.method)


def _without(running: list[Helper] | None, ended: Helper) -> list[Helper] | None:
    """Helpers that still run when one has ended; of several alike the first is taken for it."""
    what = (ended.name, ended.command)
    entry = next((one for one in running or () if (one.name, one.command) == what), None)
    return None if running is None else [one for one in running if one is not entry] or None


def _note_sending(request: Request, started: float) -> None:
    """The hop that began at ``started`` is sent now; the event loop may have been busy with other things until now."""
    late = time.perf_counter() - started
    if late >= LATE and not request.ended:
        request.late = {**(request.late or {}), started: late}


def _current_request() -> Request | None:
    timeline = current_request.get()
    return timeline if isinstance(timeline, Request) and not timeline.ended else None
