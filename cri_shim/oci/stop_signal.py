"""Parse and name signals: ``SIGTERM``, ``TERM``, ``15``; ``SIGRTMIN+3`` in images, ``SIGRTMINPLUS3`` in the CRI."""

from __future__ import annotations

import re
import signal

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

_NUMBER = re.compile(r"0*([0-9]{1,3})")
_NAMED = frozenset(map(int, signal.Signals))
"""Of the real-time signals Python names only the first and the last."""
_REAL_TIME = re.compile(r"RT(MIN|MAX)(?:(\+|PLUS|-|MINUS)([0-9]{1,3}))?")


def signal_number(name: str) -> int:
    """Return the number of a signal; raises InvalidArgumentError for an unknown one."""
    wanted = name.strip().upper().removeprefix("SIG")
    number = _NUMBER.fullmatch(wanted)
    if number is not None and 0 < int(number[1]) < signal.NSIG:
        return int(number[1])
    member = signal.Signals.__members__.get(f"SIG{wanted}")
    if member is not None:
        return int(member)
    real_time = _REAL_TIME.fullmatch(wanted)
    if real_time:
        base = signal.SIGRTMIN if real_time[1] == "MIN" else signal.SIGRTMAX
        distance = int(real_time[3] or 0)
        result = base - distance if real_time[2] in ("-", "MINUS") else base + distance
        if signal.SIGRTMIN <= result <= signal.SIGRTMAX:
            return result
    raise InvalidArgumentError(f"stop signal '{escaped(name)}' is not known")


def signal_name(number: int) -> str:
    """Return the name of a signal in the form of images; its number if it has none, such as 32 or 33."""
    if number in _NAMED:
        return signal.Signals(number).name
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    return f"signal {number}"
