"""Stretch time limits on a slow machine: LAB_PATIENCE in the environment multiplies what the lab waits for."""

from __future__ import annotations

import os

_FACTOR = float(os.environ.get("LAB_PATIENCE", "1"))


def patient(seconds: float) -> float:
    """Return the time limit for something that takes at most ``seconds`` on an ordinary machine."""
    return seconds * _FACTOR
