"""Define how a caller can watch a pull: its phases, what each worked on, and when it waits for a registry.

The caller of a pull passes in such a watcher and makes traces and bills from what it sees. Blocks nest, and calls
inside a block (hops to containerd) belong to it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager


class Phase(Protocol):
    """A running phase."""

    def set_attributes(self, about: Mapping[str, str]) -> None:
        """Add facts about the phase, under the attribute names of spans (``server.address``)."""


class Watch(Protocol):
    """A watcher of a pull."""

    def phase(self, name: str, about: Mapping[str, str]) -> AbstractContextManager[Phase]:
        """Open a block of the pull, under the name that containerd's own spans use for it."""

    def waits(self, name: str) -> AbstractContextManager[object]:
        """Open a block that only waits; ``name`` says what it waits for."""


class Unwatched:
    """The watcher that does nothing, for a pull without a watcher."""

    def phase(self, _name: str, _about: Mapping[str, str]) -> AbstractContextManager[Phase]:
        """Do nothing."""
        return nullcontext(self)

    def waits(self, _name: str) -> AbstractContextManager[object]:
        """Do nothing."""
        return nullcontext()

    def set_attributes(self, about: Mapping[str, str]) -> None:
        """Do nothing."""


def server_of(url: str) -> dict[str, str]:
    """Return the serving host under OpenTelemetry's names; empty for content that existed already."""
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname, "server.port": str(port), "url.scheme": parts.scheme}
