"""Format durations and sizes as people read them, in columns of constant width."""

from __future__ import annotations


def ms(milliseconds: float) -> str:
    """Return milliseconds with about three significant digits: ``0.042``, ``1.25``, ``104.9``, ``12345``."""
    if milliseconds < 1:
        return f"{milliseconds:.3f}"
    if milliseconds < 10:
        return f"{milliseconds:.2f}"
    return f"{milliseconds:.1f}" if milliseconds < 1000 else f"{milliseconds:.0f}"


def size(count: int) -> str:
    """Return a number of bytes: ``812 B``, ``1.2 kB``, ``3.4 MB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"


def percent(share: float) -> str:
    """Return a share between 0 and 1 as a percentage."""
    return f"{share * 100:.0f} %"


def span(seconds: float) -> str:
    """Return a time span in its two largest units: ``42 s``, ``5 min``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds < 59.5 else "1 min"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return " ".join(parts[:2])
