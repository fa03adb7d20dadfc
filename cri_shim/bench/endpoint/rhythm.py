"""Space calls: back to back, or with a pause of a given number of seconds before each.

What a call costs depends on the quiet before it: caches go cold, cores fall asleep, threads have to be woken. A kubelet
never calls back to back: it calls, waits for the answer, and calls again a second or more after that. A period here is
counted the same way, from the end of one call to the begin of the next, so it is the quiet before every call. The wait
is a timer of the event loop, not a busy one, and a call's clock starts when the wait is over.
"""

from __future__ import annotations

from cri_shim.config.forms import parse_duration, render_duration

BACK_TO_BACK = 0.0
DEFAULT = (BACK_TO_BACK, 0.04, 1.0)
"""No pause; about what a node with many changing pods sees; one second, as in a kubelet's lifecycle event generator."""
SHORTEST, LONGEST = 0.001, 600.0
"""The limits of a period in seconds; timers of the event loop count in milliseconds."""

_BACK_TO_BACK_WORD = "back-to-back"


def parse_rhythm(text: str) -> float:
    """Return the seconds between calls: 0 for ``back-to-back``, else a duration such as ``40ms``; raises ValueError."""
    if text == _BACK_TO_BACK_WORD:
        return BACK_TO_BACK
    try:
        period = parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a rhythm: use back-to-back, or a duration such as 40ms or 1s") from error
    if period and not SHORTEST <= period <= LONGEST:
        raise ValueError(f"{text!r} is not a rhythm: a period is from 1ms to 10m")
    return period


def in_words(period: float) -> str:
    """Return ``back to back``, or ``every 40 ms`` in the unit that gives the simplest number."""
    if not period:
        return "back to back"
    text = render_duration(period)
    digits = text.rstrip("hmsu")
    unit = text[len(digits) :]
    return f"every {digits} {unit}" if digits.isdigit() else f"every {text}"
