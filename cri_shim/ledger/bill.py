"""The bill of a request: what its time was made of, and which part of it is the price of the extra hop.

At every moment of a request's wall time exactly one of four parts is charged. Where several activities overlap, the
first of these counts: **world**, what any daemon in our place would wait for (a helper program, containerd at work, a
process, a registry); **transport**, a hop on its way to containerd or back; **queue**, a wait for our own limits and
locks; **work**, the rest: the daemon itself. The four add up to the wall time.

The price of the extra hop is transport, work and the front hop, which lies outside the wall time. The price does not
include the queue, because the in-process plugin has the same contention.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Split: TypeAlias = Literal["spans", "estimate", "mixed", "none"]
"""The source of containerd's share in the hops: its own spans, an estimate from null calls, or none."""

FrontKnown: TypeAlias = Literal["measured", "estimate", "none"]
"""The source of the front hop: the client sent a time (the way in is measured, the way out estimated), the daemon's
probe of its own socket, or none."""


class Bill(Struct, frozen=True):
    """The parts of one request's time, in seconds.

    ``transport``, ``work``, ``queue``, ``world``: the four parts of ``wall``. ``work_cpu`` and ``work_wait`` are the
    parts of ``work``: CPU time of the daemon's threads, and waiting for the event loop or a core. ``hops`` and
    ``helpers`` are lengths of unions, ``own`` is the wall time in which neither was in flight. Names that end in
    ``_sum`` are sums over hops or helpers, even where they overlap: ``hops_sum = daemon_sum + transport_sum``.
    """

    wall: float
    transport: float = 0.0
    work: float = 0.0
    work_cpu: float = 0.0
    queue: float = 0.0
    world: float = 0.0
    front: float = 0.0
    """The hop between client and daemon, both ways: outside of ``wall``; 0 where it is not known."""
    front_error: float = 0.0
    """How far ``front`` may be off, either way."""
    front_known: FrontKnown = "none"
    hops: float = 0.0
    hops_sum: float = 0.0
    hop_count: int = 0
    helpers: float = 0.0
    helpers_sum: float = 0.0
    helper_count: int = 0
    own: float = 0.0
    daemon_sum: float = 0.0
    transport_sum: float = 0.0
    transport_error: float = 0.0
    """How far ``transport`` may be off: the errors of all hops, less the part that overlaps other work, as for their
    transport; 0 where the figure comes from containerd's spans."""
    split: Split = "none"

    @property
    def work_wait(self) -> float:
        """The part of ``work`` that was ready to run and waited for the event loop, the interpreter lock or a core."""
        return self.work - self.work_cpu

    @property
    def price(self) -> float:
        """What the extra hop costs this request."""
        return self.front + self.transport + self.work

    @property
    def price_error(self) -> float:
        """How far ``price`` may be off."""
        return self.front_error + self.transport_error
