"""Define the record of one call to containerd, and the types of the hooks around a call.

Metrics, traces and bills are computed from these records; the client itself keeps none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct


class Hop(Struct, frozen=True):
    """One call including its retries; a stream is one call from its opening to its end."""

    method: str
    """Full name without the leading slash: ``containerd.services.tasks.v1.Tasks/Create``."""
    started: float
    """Start of the call in seconds, on the clock of ``time.perf_counter``."""
    duration: float
    """Seconds from before the request was serialised to after the response was parsed."""
    bytes_out: int
    """Size of the serialised requests of all attempts, without gRPC's framing."""
    bytes_in: int
    """Size of the serialised responses."""
    attempts: int
    """Number of attempts; 1 if the call was not retried."""
    code: str
    """Name of the gRPC status that the caller received: ``OK``, or for example ``NOT_FOUND``."""
    trace: str = ""
    """The ``traceparent`` (W3C) that was sent with the call; empty if none was."""


OnCall: TypeAlias = Callable[[str, float], str]
"""Hook that runs just before each call, in the caller's context, with the method and its start (``perf_counter``).

The client sends the returned string as ``traceparent``, so that the server's span becomes a child of this call; if it
is empty, nothing is sent. The hook must not raise.
"""

OnHop: TypeAlias = Callable[[Hop], None]
"""Hook that runs once after each call, failed and cancelled ones included, in the caller's context.

It must not raise.
"""
