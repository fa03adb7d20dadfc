"""The sources of the listener's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from cri_shim.ledger.ledger import Ledger


class WebSources(Struct, frozen=True):
    """The ledger, and functions that ask the rest of the daemon."""

    ledger: Ledger
    metrics: Callable[[str], tuple[bytes, str]]
    """Returns the page for Prometheus in a format that an Accept header asks for, and its content type."""
    node: Callable[[], Mapping[str, Any]]
    """Returns the answer of ``/api/node`` about the daemon and the machine."""
    take_spans: Callable[[bytes, str], Awaitable[bytes]] | None = None
    """Takes an OTLP export (body, content type) of containerd's own spans; None if spans are not wanted."""
    reads: frozenset[str] = frozenset()
    """Methods that only read, which a client can leave out of a list."""
    pods: Callable[[], Iterable[Mapping[str, Any]]] = tuple
    """Returns the pods that exist, each in the form that docs/ledger.md gives to a POD, without totals."""
    calibration: Callable[[], Mapping[str, Any] | None] | None = None
    """Returns the answer of ``/api/calibration`` where the ledger's own estimates are not what was used."""
