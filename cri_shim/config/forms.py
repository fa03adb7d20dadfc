"""Convert values that TOML has no type for and that are written as strings: Go durations and file modes.

A duration has the form of Go's ``time.ParseDuration`` (``1h30m``, ``250ms``, ``0``), as in containerd's own keys; here
it becomes a float in seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """The form of a value in the file: a string that ``parse`` converts, with ValueError for a malformed one."""

    wanted: str
    parse: Callable[[str], T]
    render: Callable[[T], str]


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration; raises ValueError for a malformed or negative one."""
    if text in {"0", "+0"}:
        return 0.0
    rest = text.removeprefix("+")
    total = 0.0
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise ValueError(f"{text!r} is not a duration")
        total += float(part[1]) * _SECONDS[part[2]]
        rest = rest[part.end() :]
    if not text.removeprefix("+"):
        raise ValueError("an empty string is not a duration")
    return total


def render_duration(seconds: float) -> str:
    """Return the shortest usual form of ``seconds``: ``4h``, ``1m30s``, ``250ms``; exact down to a nanosecond."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    parts = []
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)):
        count, nanoseconds = divmod(nanoseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_mode(text: str) -> int:
    """Return the permission bits of an octal string such as ``0660``; raises ValueError for a malformed one."""
    if _MODE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a file mode")
    return int(text, 8)


DURATION = Form('a duration in quotes, such as "10s" or "1m30s"', parse_duration, render_duration)
MODE = Form('a file mode in quotes, such as "0660"', parse_mode, lambda mode: f"{mode:04o}")
