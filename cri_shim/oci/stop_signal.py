"""Signals by the names that images and requests give them: ``SIGTERM``, ``TERM``, ``15``, ``SIGRTMIN+3``."""

from __future__ import annotations

import re
import signal

from cri_shim.errors import InvalidArgumentError

_REAL_TIME = re.compile(r"RT(MIN|MAX)(?:([+-])(\d+))?")


def signal_number(name: str) -> int:
    """The number of a signal; raises InvalidArgumentError for what is none."""
    wanted = name.strip().upper().removeprefix("SIG")
    if wanted.isdecimal() and 0 < int(wanted) < signal.NSIG:
        return int(wanted)
    member = signal.Signals.__members__.get(f"SIG{wanted}")
    if member is not None:
        return int(member)
    real_time = _REAL_TIME.fullmatch(wanted)
    if real_time:
        base = signal.SIGRTMIN if real_time[1] == "MIN" else signal.SIGRTMAX
        number = base + int(f"{real_time[2] or '+'}{real_time[3] or 0}")
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    raise InvalidArgumentError(f"stop signal {name!r} is not known")
