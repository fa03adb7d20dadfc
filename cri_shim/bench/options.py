"""What a comparison may be asked for, and what a step of it happens in: below the plan and the scenarios alike."""

from __future__ import annotations

from dataclasses import dataclass

from cri_shim.bench.endpoint import rhythm

CALLS_AT = (0, 35, 105, 250)
"""Numbers of idle pods at which the scenario ``calls`` runs."""
STEADY_AT = (105,)
"""The same of the scenario ``steady``."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen on the command line."""

    scenarios: tuple[str, ...] = ()
    """By name; empty: all of them."""
    rounds: int = 0
    """0: each scenario's own number."""
    warm_up: int = 1
    batch_pods: int = 105
    calls_at: tuple[int, ...] = CALLS_AT
    steady_at: tuple[int, ...] = STEADY_AT
    rhythms: tuple[float, ...] = ()
    """Seconds of quiet before a call. None: all of :data:`rhythm.DEFAULT` with the fewest pods, else back to back."""
    window: float = 10.0
    log_mebibytes: int = 64
    stream_mebibytes: int = 256
    pull_image: str = ""
    """Nothing is pulled without one."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step's turns happen in: the number of idle pods, and the seconds of quiet before each call."""

    pods: int
    period: float = rhythm.BACK_TO_BACK
