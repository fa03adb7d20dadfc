"""One request and what it was made of (DESIGN "Words").

``wall = hops ∪ helpers ∪ own``: unions of intervals, because hops overlap. Nothing here does more than take note;
adding up happens once, when the request has ended (:meth:`Request.close`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, field

from containerd_client.hops import Hop
from cri_shim.hops.intervals import covered, uncovered
from cri_shim.timeline import OUTSIDE, Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cri_shim.hops.kept import Kept
    from cri_shim.hops.trace_context import TraceContext
    from cri_shim.network.exec import Helper
    from cri_shim.timeline import stage

UNFINISHED = "UNFINISHED"
"""The code of a hop that was still in flight when its request was answered; its duration is the part before that."""

Split: TypeAlias = Literal["spans", "estimate", "mixed", "none"]
"""How the share of containerd in a hop is known: from its own spans, from a null call, or not at all."""


class Bill(Struct, frozen=True):
    """What a request took, in seconds.

    ``hops``, ``helpers``: lengths of unions; ``own``: wall time in which neither was in flight; ``awaited``: the part
    of ``own`` spent waiting for what is not ours (:data:`~cri_shim.timeline.OUTSIDE`). ``daemon`` and ``transport`` are
    sums over hops. ``extra`` is the bill of the extra hop: what the in-process plugin would not pay.
    """

    wall: float
    hops: float = 0.0
    hops_sum: float = 0.0
    hop_count: int = 0
    helpers: float = 0.0
    helpers_sum: float = 0.0
    helper_count: int = 0
    own: float = 0.0
    awaited: float = 0.0
    daemon: float = 0.0
    transport: float = 0.0
    split: Split = "none"

    @property
    def extra(self) -> float:
        """Transport and own time, without what whoever stood in our place would have waited for as well."""
        return self.transport + self.own - self.awaited


class Request(Timeline, eq=False):
    """A CRI RPC: first in hand, then ended and only read. Times are seconds of ``time.perf_counter``."""

    id: int
    method: str
    api: str
    trace: TraceContext | None = None
    started: float = field(default_factory=time.perf_counter)
    started_at: float = field(default_factory=time.time)
    subject: Mapping[str, str] = field(default_factory=dict)
    hops: list[Hop] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    in_flight: dict[tuple[str, float], str] = field(default_factory=dict)
    """Hops that have begun: method and start, and the ``traceparent`` that went along."""
    blocks: dict[str, stage] = field(default_factory=dict)
    """The stage that a hop was made in, by span id of the hop; only of requests whose trace is exported."""
    server_spans: dict[str, float] | None = None
    """Seconds containerd says a hop took it, by span id of the hop."""
    kept: Kept | None = None
    """What the ledger keeps of it, once it has ended."""
    code: str = ""
    error: str = ""
    bill: Bill = Bill(0.0)
    null_call: float | None = None
    """Seconds of the null call that the bill was made out with; the shares of single hops go by it as well."""

    def close(self, code: str, error: str, null_call: float | None) -> Bill:
        """End it and add it up; ``null_call``: seconds of a call to containerd that does nothing, if known."""
        now = time.perf_counter()
        self.ended = True
        self.code = code
        self.error = error
        if self.in_flight:
            self.hops.extend(
                Hop(method, started, now - started, 0, 0, 1, UNFINISHED, trace)
                for (method, started), trace in self.in_flight.items()
            )
            self.in_flight.clear()
        self.bill = self._add_up(now - self.started, null_call)
        return self.bill

    def settle(self, null_call: float | None) -> Bill:
        """Add it up anew after containerd told its share of the hops; wall time and unions stay as they were."""
        self.bill = self._add_up(self.bill.wall, null_call)
        return self.bill

    def _add_up(self, wall: float, null_call: float | None) -> Bill:
        self.null_call = null_call
        if not self.hops and not self.helpers:
            return Bill(wall, own=wall, awaited=min(wall, covered(_outside(self))) if self.waits else 0.0)
        hops = [(hop.started, hop.started + hop.duration) for hop in self.hops]
        helpers = [(helper.started, helper.started + helper.duration) for helper in self.helpers]
        shares = [daemon_share(self, hop, null_call) for hop in self.hops]
        hops_sum = sum(hop.duration for hop in self.hops)
        daemon = sum(share for share, _ in shares)
        splits = {split for _, split in shares}
        return Bill(
            wall,
            hops=covered(hops),
            hops_sum=hops_sum,
            hop_count=len(hops),
            helpers=covered(helpers),
            helpers_sum=sum(helper.duration for helper in self.helpers),
            helper_count=len(helpers),
            own=max(0.0, wall - covered([*hops, *helpers])),
            awaited=uncovered(_outside(self), [*hops, *helpers]),
            daemon=daemon,
            transport=hops_sum - daemon if splits != {"none"} else 0.0,
            split=splits.pop() if len(splits) == 1 else "mixed" if splits else "none",
        )


def daemon_share(request: Request, hop: Hop, null_call: float | None) -> tuple[float, Split]:
    """How many seconds of ``hop`` containerd worked on it, and how that is known.

    Without a span of containerd's own, all that a null call takes is taken for transport. A hop of which nothing is
    known counts as containerd's in full: the bill must not charge for what nobody has measured.
    """
    if request.server_spans is not None and hop.trace:
        told = request.server_spans.get(hop.trace[36:52])
        if told is not None:
            return min(told, hop.duration), "spans"
    if null_call is None:
        return hop.duration, "none"
    return max(0.0, hop.duration - null_call), "estimate"


def _outside(request: Request) -> Sequence[tuple[float, float]]:
    waits = request.waits
    if waits is None:
        return ()
    return [(wait.started, wait.started + wait.duration) for wait in waits if wait.name in OUTSIDE]
