"""Wait until this machine has little else to do, so that a start is not recorded beside other work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

_SAMPLE: Final = 0.4
"""Seconds over which the share is taken."""
_IDLE: Final = 0.7
"""The share of all cores that must be idle."""


def wait_for_quiet(seconds: float) -> bool:
    """Wait for a quiet moment, for some time; return whether it came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = _idle_and_all(Path("/proc/stat").read_text(encoding="ascii"))
        time.sleep(_SAMPLE)
        if idle_share(before, _idle_and_all(Path("/proc/stat").read_text(encoding="ascii"))) >= _IDLE:
            return True
    return False


def idle_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return the share of idle ticks between two readings. Waiting for a disk is not idle."""
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed if passed else 0.0


def _idle_and_all(stat: str) -> tuple[int, int]:
    ticks = [int(number) for number in stat.splitlines()[0].split()[1:9]]
    return ticks[3], sum(ticks)
