"""Decide which requests are traced, and as part of which trace."""

from __future__ import annotations

import random

from msgspec import Struct

from cri_shim.ledger.trace_context import TraceContext, new_asking_trace_id, new_span_id, new_trace_id, parse


class TracePolicy(Struct, frozen=True):
    """Decides about the trace of a request.

    The caller's decision counts. Without a caller's trace ``ratio`` decides (0 none, 1 all). With ``ask_containerd``
    every other request gets a trace too, which is not exported: it only makes containerd report its own share of each
    hop.
    """

    ratio: float = 0.0
    ask_containerd: bool = False

    def begin(self, traceparent: str) -> TraceContext | None:
        """Return the trace context of a request that came with ``traceparent`` (may be empty); None if not traced."""
        parent = parse(traceparent) if traceparent else None
        if parent is not None:
            trace_id, parent_id, sampled = parent
            if sampled or not self.ask_containerd:
                return TraceContext(trace_id, new_span_id(), parent_id, sampled=sampled, exported=sampled)
        elif self.ratio > 0 and random.random() < self.ratio:  # noqa: S311 - a share, not a secret
            return TraceContext(new_trace_id(), new_span_id())
        if self.ask_containerd:
            return TraceContext(new_asking_trace_id(), new_span_id(), exported=False)
        return None
