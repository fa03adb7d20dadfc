"""One request and what it was made of (DESIGN "Words").

``wall = hops ∪ helpers ∪ own``: unions of intervals, because hops overlap. The record of the request in hand travels
in a context variable, which tasks inherit; whoever makes a hop or runs a helper needs to know nothing of requests.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.hops import Hop
    from cri_shim.network.exec import Helper

_current: ContextVar[Request | None] = ContextVar("cri_shim_request", default=None)


@dataclass(slots=True)
class Request:
    """A CRI RPC in hand. Times are seconds of ``time.perf_counter``."""

    method: str
    started: float = field(default_factory=time.perf_counter)
    hops: list[Hop] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    ended: bool = False
    """What an operation does after its request was answered is not part of the request."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a request took, in seconds; ``own`` is the wall time in which neither a hop nor a helper was in flight."""

    wall: float
    hops: float
    hop_count: int
    helpers: float
    own: float


def open_request(method: str) -> Request:
    """Begin the record of a request; hops and helpers of this task and its children are noted in it."""
    request = Request(method)
    _current.set(request)
    return request


def close_request(request: Request) -> Bill:
    """End the record and add it up."""
    request.ended = True
    now = time.perf_counter()
    hops = [(hop.started, hop.started + hop.duration) for hop in request.hops]
    helpers = [(helper.started, helper.started + helper.duration) for helper in request.helpers]
    wall = now - request.started
    return Bill(wall, covered(hops), len(hops), covered(helpers), max(0.0, wall - covered([*hops, *helpers])))


def note_hop(hop: Hop) -> None:
    """Add a hop to the request in hand, if there is one."""
    request = _current.get()
    if request is not None and not request.ended:
        request.hops.append(hop)


def note_helper(helper: Helper) -> None:
    """Add a helper to the request in hand, if there is one."""
    request = _current.get()
    if request is not None and not request.ended:
        request.helpers.append(helper)


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """The length of the union of ``intervals``."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total
