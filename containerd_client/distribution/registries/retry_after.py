"""Read how long a busy server asks us to wait: Retry-After, in seconds or as a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""
UNTOLD = 0.5
SHORTEST = 0.1
LONGEST = 7 * 86_400.0
_LONGEST_TEXT = 64


def wait_of(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait, at most a week; half a second if the header is missing or malformed."""
    text = headers.get("Retry-After", "").strip()[:_LONGEST_TEXT]
    if text.isascii() and text.isdigit():
        return min(max(SHORTEST, float(text)), LONGEST)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser does not promise to raise only ValueError
        return UNTOLD
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(SHORTEST, (when - datetime.now(UTC)).total_seconds()), LONGEST)
