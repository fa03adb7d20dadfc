"""How somebody may watch a pull: which phase it is in, what each worked on, and when it waits for a registry.

Whoever pulls hands such a watcher in; traces and bills are made of what it sees. Blocks nest, and what is called inside
(hops to containerd) happens inside them.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager


class Phase(Protocol):
    """A phase under way."""

    def tell(self, about: Mapping[str, str]) -> None:
        """Say more about it, under the names that spans have for it (``server.address``)."""


class Watch(Protocol):
    """The watcher."""

    def phase(self, name: str, about: Mapping[str, str]) -> AbstractContextManager[Phase]:
        """A block of the pull, under the name that containerd's own spans have for it."""

    def waits(self, name: str) -> AbstractContextManager[object]:
        """A block that only waits; ``name`` says for what."""


class Unwatched:
    """Nobody watches."""

    def phase(self, _name: str, _about: Mapping[str, str]) -> AbstractContextManager[Phase]:
        """Do nothing."""
        return nullcontext(self)

    def waits(self, _name: str) -> AbstractContextManager[object]:
        """Do nothing."""
        return nullcontext()

    def tell(self, about: Mapping[str, str]) -> None:
        """Do nothing."""


def server_of(url: str) -> dict[str, str]:
    """Who served something, as OpenTelemetry names it; empty for what was there already."""
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname, "server.port": str(port), "url.scheme": parts.scheme}
