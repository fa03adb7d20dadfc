"""Read and make trace identities: the ``traceparent`` of a request and those of its hops.

Source: W3C Trace Context, level 1. This module only handles identity; :mod:`cri_shim.telemetry.spans` turns a finished
request into spans.
"""

from __future__ import annotations

import random
import re

from msgspec import Struct

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_ASKING = "c21b111e"
"""The prefix of trace ids that are kept from collectors; the random part that samplers use is at the end of an id."""


class TraceContext(Struct, frozen=True):
    """The trace that a request belongs to, and the span of the request in it."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits: the request's own server span."""
    parent_id: str = ""
    """The caller's span; empty for a trace that begins here."""
    sampled: bool = True
    exported: bool = True
    """Whether a collector gets the trace; one made only to learn containerd's share of each hop is not exported."""

    def for_hop(self) -> str:
        """Return the ``traceparent`` of a new client span below the request's."""
        return f"00-{self.trace_id}-{new_span_id()}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> tuple[str, str, bool] | None:
    """Return trace id, span id and whether the caller samples; None if ``traceparent`` is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id, bool(int(flags, 16) & _SAMPLED)


def new_trace_id() -> str:
    """Return a random id, never all zeros."""
    return f"{random.getrandbits(128) or 1:032x}"


def new_asking_trace_id() -> str:
    """Return the id of a trace meant only for containerd; its prefix identifies it, so it need not be remembered."""
    return f"{_ASKING}{random.getrandbits(96):024x}"


def is_asking(trace_id: str) -> bool:
    """Return whether a trace was made only to ask containerd."""
    return trace_id.startswith(_ASKING)


def new_span_id() -> str:
    """Return a random id, never all zeros."""
    return f"{random.getrandbits(64) or 1:016x}"


def span_of(traceparent: str) -> str:
    """Return the span id in a ``traceparent`` that was made here."""
    return traceparent[36:52]
