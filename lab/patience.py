"""How long is too long: LAB_PATIENCE in the environment stretches what the lab waits for, on a machine that is slow."""

from __future__ import annotations

import os

_FACTOR = float(os.environ.get("LAB_PATIENCE", "1"))


def patient(seconds: float) -> float:
    """The time limit for something that takes so long at most on an ordinary machine."""
    return seconds * _FACTOR
