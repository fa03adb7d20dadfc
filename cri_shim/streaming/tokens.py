"""One-use tokens that stand for a request: the RPC answers with a URL that holds one, and the client presents it.

The token alone gives the right to do what was requested, so it is random, short-lived and good for one connection. The
numbers are those of the kubelet's streaming package (pkg/streaming/request_cache.go), with a longer token.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from cri_shim.errors import ResourceExhaustedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LIFETIME = 60.0
"""Seconds from the RPC to the connection."""

MOST = 1000
"""The most tokens that may wait at the same time."""

_BYTES = 18


class Tokens(Generic[T]):
    """The requests that wait for their clients, by token."""

    def __init__(
        self, *, lifetime: float = LIFETIME, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lifetime = lifetime
        self._most = most
        self._clock = clock
        self._waiting: dict[str, tuple[float, T]] = {}  # oldest first, since all live equally long

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: T) -> str:
        """Store ``request`` and return its token.

        Raises ``ResourceExhaustedError`` if too many wait.
        """
        self._forget_old()
        if len(self._waiting) >= self._most:
            raise ResourceExhaustedError(
                f"{self._most} streaming requests wait for their clients already, "
                f"the oldest is dropped within {self._lifetime:g} s"
            )
        token = secrets.token_urlsafe(_BYTES)
        self._waiting[token] = (self._clock() + self._lifetime, request)
        return token

    def take(self, token: str) -> T | None:
        """Return the request of ``token``, once; None if the token is unknown, used or too old."""
        self._forget_old()
        request = self._waiting.pop(token, None)
        return request[1] if request else None

    def _forget_old(self) -> None:
        now = self._clock()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest][0] > now:
                return
            del self._waiting[oldest]
