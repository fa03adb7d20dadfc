"""A number that was not measured directly, and how far it may be off."""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    """A value and its error, both in seconds."""

    seconds: float
    error: float
    """Half of the range that holds most of the values from which the estimate was made."""
