"""How long a busy server asks to be left alone: Retry-After, in seconds or as a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
UNTOLD = 0.5
SHORTEST = 0.1
LONGEST = 7 * 86_400.0
_LONGEST_TEXT = 64


def wait_of(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait; half a second when nothing is said that makes sense, a week at most."""
    text = headers.get("Retry-After", "").strip()[:_LONGEST_TEXT]
    if text.isascii() and text.isdigit():
        return min(max(SHORTEST, float(text)), LONGEST)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # it does not promise to raise ValueError alone
        return UNTOLD
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(SHORTEST, (when - datetime.now(UTC)).total_seconds()), LONGEST)
