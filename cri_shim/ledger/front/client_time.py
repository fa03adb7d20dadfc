"""Read when a client says that it sent its request: ``cri-shim-sent: 1764403200123456789``, Unix nanoseconds.

A client that sends a ``traceparent`` can put the same number into its ``tracestate``: ``cri-shim=1764403200123456789``
(W3C Trace Context, section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "cri-shim-sent"
"""The metadata key."""
_STATE = "tracestate"
_MEMBER = "cri-shim="
_MOST_DIGITS = 19


def sent_at(metadata: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Return Unix seconds; None if the client sends no time, or an invalid one."""
    for key, value in metadata:
        if key == KEY:
            return _seconds(value if isinstance(value, str) else "")
        if key == _STATE and isinstance(value, str) and _MEMBER in value:
            for member in value.split(","):
                if member.strip().startswith(_MEMBER):
                    return _seconds(member.strip().removeprefix(_MEMBER))
    return None


def _seconds(text: str) -> float | None:
    return int(text) / 1e9 if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
