"""The record of one call to containerd, and the shape of the hook that receives it.

Metrics, traces and bills are views of these records; the client itself keeps none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct


class Hop(Struct, frozen=True):
    """One call, repeats included; a stream is one call from its opening to its end."""

    method: str
    """Full name without the leading slash: ``containerd.services.tasks.v1.Tasks/Create``."""
    started: float
    """Seconds of ``time.perf_counter``."""
    duration: float
    """Seconds, from before the request was serialised to after the response was parsed."""
    bytes_out: int
    """Serialised requests, all attempts together, without gRPC's framing."""
    bytes_in: int
    """Serialised responses."""
    attempts: int
    """1 if nothing was repeated."""
    code: str
    """Name of the gRPC status that the caller got, ``OK`` or for example ``NOT_FOUND``."""
    trace: str = ""
    """The ``traceparent`` (W3C) that went with it, empty if none did."""


OnCall: TypeAlias = Callable[[str, float], str]
"""Called just before each call with its method and start (``perf_counter``), in the caller's context.

What it returns goes along as ``traceparent``, so that the server's span becomes the child of this call; empty: nothing
goes along. It must not raise.
"""

OnHop: TypeAlias = Callable[[Hop], None]
"""Called once for each call, in the caller's context, failed and cancelled calls included; it must not raise."""
