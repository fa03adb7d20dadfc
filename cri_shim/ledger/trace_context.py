"""Trace identity on the wire: the ``traceparent`` that comes with a request and those that go with its hops.

Source: W3C Trace Context, level 1. Only identity is handled here; what becomes of a finished request is told in
:mod:`cri_shim.telemetry.spans`.
"""

from __future__ import annotations

import random
import re

from msgspec import Struct

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_ASKING = "c21b111e"
"""What ids of traces that are kept from collectors begin with; the random part that samplers look at is at the end."""


class TraceContext(Struct, frozen=True):
    """Which trace a request belongs to, and which span of it the request is."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits: the request's own server span."""
    parent_id: str = ""
    """The caller's span; empty for a trace that begins here."""
    sampled: bool = True
    exported: bool = True
    """Is it told to a collector? A trace made only to learn containerd's share of each hop is not."""

    def for_hop(self) -> str:
        """The ``traceparent`` of a new client span below the request's."""
        return f"00-{self.trace_id}-{new_span_id()}-{'01' if self.sampled else '00'}"


def parse(traceparent: str) -> tuple[str, str, bool] | None:
    """Trace id, span id and whether the caller samples; None for what is no valid ``traceparent``."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id, bool(int(flags, 16) & _SAMPLED)


def new_trace_id() -> str:
    """Random, never all zero."""
    return f"{random.getrandbits(128) or 1:032x}"


def new_asking_trace_id() -> str:
    """One of a trace that nobody but containerd is told of, recognised again without having to be remembered."""
    return f"{_ASKING}{random.getrandbits(96):024x}"


def is_asking(trace_id: str) -> bool:
    """Tell whether a trace was made only to ask containerd."""
    return trace_id.startswith(_ASKING)


def new_span_id() -> str:
    """Random, never all zero."""
    return f"{random.getrandbits(64) or 1:016x}"


def span_of(traceparent: str) -> str:
    """The span id in a ``traceparent`` that was made here."""
    return traceparent[36:52]
