"""The code of a hop that its request did not wait for; a module of its own, because the terminal needs nothing else."""

from __future__ import annotations

from typing import Final

UNFINISHED: Final = "UNFINISHED"
"""The code of a hop that was still in flight when its request was answered; its duration is the part until then."""
