"""A number that was not measured on the thing itself, and how far it may be off."""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    """Both in seconds."""

    seconds: float
    error: float
    """Half of the range in which most of the values lie that the estimate was made from."""
