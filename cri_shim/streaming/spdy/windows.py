"""Count the bytes in flight: one pair of windows for each stream and one for the connection (SPDY/3.1, 2.6.8)."""

from __future__ import annotations

from msgspec import Struct


class ReceiveWindow(Struct):
    """What the peer may still send, and what we have consumed but not given back yet."""

    size: int
    left: int
    taken: int = 0

    @classmethod
    def of(cls, size: int) -> ReceiveWindow:
        """Return a window of ``size`` bytes, all of it open."""
        return cls(size, size)

    def received(self, size: int) -> bool:
        """Count bytes that arrived; return False if there was no room for them."""
        self.left -= size
        return self.left >= 0

    def take(self, size: int) -> int:
        """Count consumed bytes; return how many to give back now, 0 while it is not worth a frame."""
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

    The initial size is kept apart because the peer may change it for all streams at once, as often as it likes.
    """

    offset: int = 0

    def room(self, initial: int) -> int:
        """Return how many bytes may be sent.

        Negative if the peer has made the window smaller than what is in flight.
        """
        return initial + self.offset
