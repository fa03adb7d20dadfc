"""Format numbers with as many digits as are significant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.bench.verdicts.estimate import Interval

_LITTLE_CPU = 0.1


def number(value: float, unit: str = "") -> str:
    """Return three significant digits, at most two decimals; for small CPU times in seconds, three decimals."""
    if unit == "s" and abs(value) < _LITTLE_CPU:
        return f"{value:.3f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(interval: Interval) -> str:
    """Return the estimate, with its range."""
    return f"{interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as a percentage."""
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def rough(value: float) -> str:
    """Return about two significant digits, for a sentence."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
