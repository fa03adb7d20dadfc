"""What the listener answers from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cri_shim.ledger.ledger import Ledger


class WebSources(Struct, frozen=True):
    """The ledger, and two questions to the rest of the daemon."""

    ledger: Ledger
    metrics: Callable[[], bytes]
    """The page for Prometheus."""
    node: Callable[[], Mapping[str, Any]]
    """What ``/api/node`` tells of the daemon and the machine."""
    take_spans: Callable[[bytes, str], Awaitable[bytes]] | None = None
    """Takes an OTLP export (body, content type) of containerd's own spans; None: they are not asked for."""
    reads: frozenset[str] = frozenset()
    """Methods that only ask; a list may be had without them."""
