"""One request and what it is made of: hops, helpers, stages and waits, noted while they happen.

This module only takes notes. The bill is computed once, when the request has ended (:mod:`cri_shim.ledger.billing`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import field, structs

from containerd_client.hops import Hop
from cri_shim.ledger.bill import Bill
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.ledger.bill import FrontKnown
    from cri_shim.ledger.known_names import ObjectNames
    from cri_shim.ledger.trace_context import TraceContext
    from cri_shim.ledger.transport.estimate import Estimate
    from cri_shim.ledger.transport.transport_estimate import Charge
    from cri_shim.network.exec import Helper
    from cri_shim.timeline import stage


class Request(Timeline, eq=False):
    """A CRI RPC: active while it is worked on, then ended and only read. Times are seconds of ``perf_counter``."""

    id: int
    method: str
    api: str
    trace: TraceContext | None = None
    started: float = field(default_factory=time.perf_counter)
    started_at: float = field(default_factory=time.time)
    clock_from: float | None = 0.0
    """What to add to ``started`` for the time on the clock of the daemon that served it; None if that is not known."""
    subject: Mapping[str, str] = field(default_factory=dict)
    names: ObjectNames | None = None
    """The names of the pod and container that it is about; looked up when it is kept, or when a view reads it."""
    hops: list[Hop] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    in_flight: dict[tuple[str, float], str] = field(default_factory=dict)
    """Hops that have begun: from method and start to the ``traceparent`` that was sent."""
    running: list[Helper] | None = None
    """Helpers that have begun."""
    blocks: dict[str, stage] = field(default_factory=dict)
    """The stage in which a hop was made, by span id of the hop; only of requests whose trace is exported."""
    server_spans: dict[str, float] | None = None
    """How many seconds a hop took containerd by its own report, by span id of the hop."""
    charges: list[Charge | None] = field(default_factory=list)
    """The estimated transport of each of ``hops``, at the same index; None where nothing has been measured yet."""
    gaps: dict[tuple[str, float], float] = field(default_factory=dict)
    """Seconds for which the connection was quiet before each hop in flight."""
    late: dict[float, float] | None = None
    """How many seconds other work delayed the event loop before it sent a hop, by the start of the hop."""
    way_in: Estimate | None = None
    """The front hop's way in: from when the client sends to the start of the request here."""
    way_out: Estimate | None = None
    """The front hop's way out: from the end of the request here to when the client has its answer."""
    front_known: FrontKnown = "none"
    code: str = ""
    error: str = ""
    bill: Bill = Bill(0.0)

    @property
    def clock(self) -> float | None:
        """When it came in on the clock of the daemon that served it, which is never set back; None if not known."""
        return None if self.clock_from is None else self.started + self.clock_from

    def end(self, code: str, error: str, charge: Callable[[float], Charge | None] | None = None) -> float:
        """Note the end, and return the wall time in seconds.

        ``charge`` estimates the transport of a hop that is still in flight from the quiet before it.
        """
        now = time.perf_counter()
        self.count_cpu()
        self.ended = True
        self.code = code
        self.error = error
        for (method, started), trace in self.in_flight.items():
            hop = Hop(method, started, now - started, 0, 0, 1, UNFINISHED, trace)
            self.hops.append(hop)
            self.charges.append(None if charge is None else charge(self.gaps.get((method, started), 0.0)))
        self.in_flight.clear()
        self.gaps.clear()
        self.helpers += self.running_until(now)
        self.running = None
        self.end_waits(now)
        return now - self.started

    def running_until(self, now: float) -> list[Helper]:
        """Return the running helpers as if they had ended ``now``; they have no exit code."""
        return [structs.replace(one, duration=now - one.started) for one in self.running or ()]
