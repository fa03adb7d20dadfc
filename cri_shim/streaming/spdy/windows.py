"""Counting what may be in flight: one pair of windows for each stream and one for the connection (SPDY/3.1, 2.6.8)."""

from __future__ import annotations

from msgspec import Struct


class ReceiveWindow(Struct):
    """What the peer may still send, and what it has not been given back yet."""

    size: int
    left: int
    taken: int = 0

    @classmethod
    def of(cls, size: int) -> ReceiveWindow:
        """A window of ``size`` bytes, all of it open."""
        return cls(size, size)

    def received(self, size: int) -> bool:
        """Count bytes that arrived; False when there was no room for them."""
        self.left -= size
        return self.left >= 0

    def take(self, size: int) -> int:
        """Count bytes that were used up; the number to give back now, 0 while it is not worth a frame."""
        self.taken += size
        if self.taken * 2 < self.size:
            return 0
        delta, self.taken = self.taken, 0
        self.left += delta
        return delta

    def grow(self, more: int) -> None:
        """Open the window wider than it began."""
        self.size += more
        self.left += more


class SendWindow(Struct):
    """What we have sent and been given back, to be added to the size that the window began with.

    The beginning is kept apart because the peer may change it for all streams at once, as often as it likes.
    """

    offset: int = 0

    def room(self, initial: int) -> int:
        """Bytes that may be sent; negative when the peer has made the window smaller than what is in flight."""
        return initial + self.offset
