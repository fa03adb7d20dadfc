"""The one recorder: it keeps every request with its hops and helpers, within bounded memory, and notifies observers.

Metrics, spans, the explorer page, the terminal table and the line in the log are views of these records and therefore
cannot disagree. A request is opened and closed in :mod:`cri_shim.server.instrument`; in between, the client of
containerd and the runner of CNI plugins report to :meth:`Ledger.note_hop` and :meth:`Ledger.note_helper`, which find
the current request in a context variable. The bill is computed at once, because the answer carries it; records are
aggregated a moment later, for several requests at a time (docs/adr/0024). Nothing here awaits.

Text that enters a record is encodable and of bounded length: the instrument layer ensures that for the text of
requests, and this module cleans the names of helpers. If a record still cannot be kept or counted, only that one record
is lost.
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
    from collections.abc import Callable, Collection, Iterable, Mapping

    from containerd_client.hops import Hop
    from cri_shim.ledger.known_names import ObjectNames
    from cri_shim.ledger.trace_context import TraceContext

CAPACITY = 1000
"""How many requests are kept: the newest of all methods."""
CAPACITY_OF_EACH = 100
"""How many of the newest of each method are kept in addition, because clients of a quiet node poll lists all day."""
SLOWEST_OF_EACH = 10
"""How many of the slowest of each method are kept in addition."""
MOST_WAITING = 64
"""The most ended requests that wait to be aggregated."""

LATE = 0.001
"""Seconds. A hop sent later than this after its begin waited for the event loop, which counts as own work."""

log = structlog.get_logger(__name__)


class LedgerObserver:
    """A view that follows the ledger as it is written; a subclass overrides the methods it needs.

    The methods run inside requests, so they have to be short and must not raise.
    """

    at_once = False
    """Whether ``closed`` is called as soon as a request is closed, not when there is time."""

    def opened(self, request: Request) -> None:
        """A request has arrived."""

    def called(self, request: Request | None, method: str) -> None:
        """A hop has begun; ``request`` is None for a hop outside of any request."""

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """A hop has ended."""

    def helper_begun(self, request: Request | None, name: str, command: str) -> None:
        """A helper has begun."""

    def helped(self, request: Request | None, helper: Helper) -> None:
        """A helper has ended."""

    def closed(self, request: Request) -> None:
        """A request was answered and its bill is computed."""

    def rebilled(self, request: Request, span_ids: Collection[str]) -> None:
        """The bill of a closed request has changed: containerd reported its share of the hops ``span_ids``."""


class Ledger:
    """The active requests, and the requests that have ended.

    ``later`` runs a function a moment later, as an event loop can; without it records are aggregated at once. ``soon``
    runs a function after everything that the event loop already has to run (``call_soon``). ``names`` finds the names
    for the subject of a request.
    """

    enabled = True
    """Whether requests are kept."""

    def __init__(
        self,
        later: Callable[[Callable[[], None]], object] | None = None,
        soon: Callable[..., object] | None = None,
        names: Callable[[Mapping[str, str]], ObjectNames | None] = lambda _: None,
    ) -> None:
        self._soon = soon
        self._names = names
        self.transport = TransportEstimate()
        """Estimates the transport of a hop where containerd's spans do not show it."""
        self.front = FrontEstimate()
        """Estimates the hop between client and daemon."""
        self.quiet_since = time.perf_counter()
        """When a call or an answer last used the connection to containerd."""
        self.helpers_running = 0
        self.active_requests: dict[int, Request] = {}
        self._listening: set[int] = set()
        self.count = 0
        """How many requests have arrived so far."""
        self._packed: WeakValueDictionary[int, PackedRequest] = WeakValueDictionary()
        """Every request that one of the rings below holds, by its id."""
        self._newest: deque[PackedRequest] = deque(maxlen=CAPACITY)
        self._by_method: defaultdict[str, deque[PackedRequest]] = defaultdict(lambda: deque(maxlen=CAPACITY_OF_EACH))
        self._slowest: defaultdict[str, list[tuple[float, int, PackedRequest]]] = defaultdict(list)
        self._listeners: tuple[LedgerObserver, ...] = ()
        self._later = later
        self._at_once = False
        self._ended: deque[Request] = deque()
        self.lost = 0
        """How many requests could not be kept or counted."""

    def listen(self, listener: LedgerObserver) -> None:
        """Notify ``listener`` of everything from now on."""
        self._follow((*self._listeners, listener))

    def leave(self, listener: LedgerObserver) -> None:
        """Stop notifying ``listener``."""
        self._follow(tuple(other for other in self._listeners if other is not listener))

    def _follow(self, listeners: tuple[LedgerObserver, ...]) -> None:
        self.catch_up()
        self._listeners = listeners
        self._at_once = any(listener.at_once for listener in listeners)

    def open(
        self, method: str, api: str = "v1", trace: TraceContext | None = None, sent_at: float | None = None
    ) -> Request:
        """Begin the record of a request, which notes the hops and helpers of this task and its children.

        ``sent_at``: Unix seconds at which the client says that it sent the request.
        """
        self.count += 1
        request = Request(self.count, method, api, trace, time.perf_counter(), time.time())
        self.front.charge(request, sent_at)
        self.active_requests[request.id] = request
        current_request.set(request)
        for listener in self._listeners:
            listener.opened(request)
        return request

    def close(self, request: Request, code: str = "OK", error: str = "") -> None:
        """End the record and compute the bill; :meth:`catch_up` keeps both later."""
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
        """Keep the requests that have ended since the last call, and notify the listeners.

        All methods that return ended requests do this first. A view that is fed as a listener has to call it itself.
        """
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

    def name(self, request: Request) -> Request:
        """Look up the names of what a request is about; those that it has already stay if there are none now."""
        request.names = self._names(request.subject) or request.names
        return request

    def name_again(self) -> None:
        """Look up the names of ended requests that have none: they came in before the daemon had read its pods."""
        self.catch_up()
        for packed in list(self._packed.values()):
            if packed.names is None:
                packed.names = self._names(packed.request().subject)

    def _keep(self, request: Request) -> None:
        self.name(request)
        packed = self._packed[request.id] = PackedRequest(request)
        self._newest.append(packed)
        self._by_method[request.method].append(packed)
        slowest, wall = self._slowest[request.method], request.bill.wall
        if len(slowest) < SLOWEST_OF_EACH:
            heappush(slowest, (wall, request.id, packed))
        elif wall > slowest[0][0]:
            heappushpop(slowest, (wall, request.id, packed))

    def rebill(self, request: Request, span_ids: Collection[str]) -> None:
        """Compute the bill of a closed request anew, after containerd reported its share of the hops ``span_ids``."""
        rebill(request)
        if (packed := self._packed.get(request.id)) is not None:
            packed.keep(request)
        for listener in self._listeners:
            listener.rebilled(request, span_ids)

    def note_call(self, method: str, started: float) -> str:
        """Note that a hop begins, and return the ``traceparent`` to send with it."""
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
            self._soon(_note_sending, request, started)  # runs just before gRPC's task that sends the hop
        return traceparent

    def note_hop(self, hop: Hop) -> None:
        """Note that a hop has ended, in the current request if there is one."""
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
        """Note that a helper begins."""
        self.helpers_running += 1
        request, name = _current_request(), escaped(name)
        if request is not None:
            request.count_cpu()
            request.beside += 1
            request.running = [*(request.running or ()), Helper(name, command, time.perf_counter(), 0.0, None)]
        for listener in self._listeners:
            listener.helper_begun(request, name, command)

    def note_helper(self, helper: Helper) -> None:
        """Note that a helper has ended, in the current request if there is one."""
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
        """Note that the current request now only waits for events; a kubelet keeps such a stream open for days."""
        request = _current_request()
        if request is not None:
            self._listening.add(request.id)

    @property
    def busy(self) -> int:
        """How much is under way: the active requests that do more than wait for events, and helpers."""
        return len(self.active_requests) - len(self._listening) + self.helpers_running

    @property
    def idle(self) -> bool:
        """Whether no active request does more than wait for events."""
        return len(self.active_requests) == len(self._listening)

    def newest(self) -> list[PackedRequest]:
        """Return the ended requests that are among the newest of all, oldest first."""
        self.catch_up()
        return list(self._newest)

    def newest_of(self, method: str) -> list[PackedRequest]:
        """Return the newest requests of one method, oldest first."""
        self.catch_up()
        return list(self._by_method.get(method, ()))

    def remembered(self, method: str = "") -> list[PackedRequest]:
        """Return all requests, of one method or of all, that are kept for being among the newest, oldest first."""
        self.catch_up()
        newest = (packed for packed in self._newest if not method or packed.method == method)
        rings = [self._by_method.get(method, ())] if method else list(self._by_method.values())
        known = {packed.id: packed for ring in (newest, *rings) for packed in ring}
        return [known[number] for number in sorted(known)]

    def slowest(self, method: str = "") -> list[PackedRequest]:
        """Return the slowest requests of one method or of each, slowest first."""
        self.catch_up()
        heaps: Iterable[list[Any]] = [self._slowest.get(method, [])] if method else self._slowest.values()
        return [packed for _, _, packed in sorted((entry for heap in heaps for entry in heap), reverse=True)]

    def every(self) -> list[PackedRequest | Request]:
        """Return all requests that the ledger has, active and slowest ones included, in the order of their ids."""
        self.catch_up()
        known: dict[int, PackedRequest | Request] = dict(self._packed)
        known |= {request.id: self.name(request) for request in self.active_requests.values()}
        return [known[number] for number in sorted(known)]

    def find(self, number: int) -> Request | None:
        """Return one request by its id, whether it is active or kept."""
        self.catch_up()
        if (request := self.active_requests.get(number)) is not None:
            return self.name(request)
        packed = self._packed.get(number)
        return None if packed is None else packed.request()


class LedgerOff(Ledger):
    """A ledger that keeps nothing; a request only knows its wall time, for the line in the log."""

    enabled = False

    def open(
        self,
        method: str,
        api: str = "v1",
        trace: TraceContext | None = None,
        sent_at: float | None = None,  # noqa: ARG002
    ) -> Request:
        """Make a request that notes nothing."""
        return Request(0, method, api, trace, time.perf_counter(), time.time())

    def close(self, request: Request, code: str = "OK", error: str = "") -> None:
        """Compute only the wall time."""
        close_request(request, code, error)


def _notify(closed: Callable[[Request], None], request: Request) -> None:
    """Notify one listener of a closed request; an error with this request does not affect the next.

    Nor may it affect the request that is answered just now, which is usually another one.
    """
    try:
        closed(request)
    except Exception:  # a bug of a view must cost no client its answer
        log.exception("ledger.view_failed", request=request.id, rpc=request.method)


def _without(running: list[Helper] | None, ended: Helper) -> list[Helper] | None:
    """Return the helpers that still run after one has ended; of several alike, the first is taken for it."""
    what = (ended.name, ended.command)
    entry = next((one for one in running or () if (one.name, one.command) == what), None)
    return None if running is None else [one for one in running if one is not entry] or None


def _note_sending(request: Request, started: float) -> None:
    """Note that the hop that began at ``started`` is sent now; other work may have kept the event loop until now."""
    late = time.perf_counter() - started
    if late >= LATE and not request.ended:
        if request.late is None:
            request.late = {}
        request.late[started] = late


def _current_request() -> Request | None:
    timeline = current_request.get()
    return timeline if isinstance(timeline, Request) and not timeline.ended else None
