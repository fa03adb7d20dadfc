"""Estimate what bytes add to a hop: the difference between null calls with a payload and without one.

The shortest of the last calls of each kind are compared. Copying takes the same time every time, and whatever else made
a call longer has nothing to do with its bytes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

PAYLOAD: Final = 48 << 10
"""Bytes of payload: enough to stand out, few enough to fit into one window of HTTP/2's flow control."""
REMEMBERED: Final = 15
"""How many calls of each kind are remembered."""
ENOUGH: Final = 3
"""From how many calls of each kind on bytes are charged for."""


class ByteCost:
    """The seconds for each byte of a message, out or in."""

    def __init__(self) -> None:
        self._without: deque[float] = deque(maxlen=REMEMBERED)
        self._with: deque[float] = deque(maxlen=REMEMBERED)
        self.per_byte = 0.0
        """0 until it has been measured."""

    def note(self, without: float, with_bytes: float) -> None:
        """Add two calls, in seconds, each right after another one."""
        self._without.append(without)
        self._with.append(with_bytes)
        if len(self) >= ENOUGH:
            self.per_byte = max(0.0, min(self._with) - min(self._without)) / PAYLOAD

    def __len__(self) -> int:
        """How many calls of each kind are remembered."""
        return len(self._with)
