"""Remember of one part of the daemon whether it works, since when, and what failed last.

A part notes its own state, so that ``Status`` and ``cri-shim status`` can say since when something is wrong, and what
was wrong with something that works again.
"""

from __future__ import annotations

import time


class PartHistory:
    """The history of one part; times are seconds since the epoch."""

    __slots__ = ("last_error", "last_error_at", "reason", "since")

    def __init__(self, reason: str = "") -> None:
        """Begin with a reason why the part is not ready yet, or with none."""
        self.reason = reason
        """Why the part does not work; empty while it does."""
        self.since = time.time()
        """When it began or ceased to work."""
        self.last_error = ""
        self.last_error_at = 0.0

    def note(self, reason: str) -> None:
        """Note that the part works, or the reason why it does not; the same state again changes no time."""
        if bool(reason) is not bool(self.reason):
            self.since = time.time()
        if reason and reason != self.last_error:
            self.note_error(reason)
        self.reason = reason

    def note_error(self, error: str) -> None:
        """Note an error that says nothing about whether the part works."""
        self.last_error = error
        self.last_error_at = time.time()
