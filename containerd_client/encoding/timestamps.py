"""Read timestamps that may hold anything.

protobuf's own conversion raises for the years before 1 and after 9999 and for nanoseconds beyond a second, which a
record or an event of any program may contain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

LATEST_NS: Final = (1 << 63) - 1
"""The largest number of nanoseconds that the CRI and Go have room for, in the year 2262."""


def nanoseconds(timestamp: Timestamp) -> int:
    """Return nanoseconds since 1970, bounded to 64 bits; 0 for earlier, such as Go's zero time, the year 1."""
    return max(0, min(timestamp.seconds * 10**9 + timestamp.nanos, LATEST_NS))
