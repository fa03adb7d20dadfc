"""The options of a comparison and the surroundings of a step, in a module below both the plan and the scenarios."""

from __future__ import annotations

from dataclasses import dataclass

from cri_shim.bench.endpoint import rhythm

CALLS_AT = (0, 35, 105, 250)
"""The numbers of idle pods at which the scenario ``calls`` runs."""
STEADY_AT = (105,)
"""The numbers of idle pods at which the scenario ``steady`` runs."""
KUBELET_AT = (105,)
"""The numbers of static pods at which the scenario ``kubelet`` runs."""
KUBELET_WINDOW, KUBELET_BEFORE = 60.0, 30.0
"""The seconds of its runs, and those before each."""


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of the command line."""

    scenarios: tuple[str, ...] = ()
    """By name; empty means all."""
    rounds: int = 0
    """0 means each scenario's own number."""
    warm_up: int = 1
    batch_pods: int = 105
    calls_at: tuple[int, ...] = CALLS_AT
    steady_at: tuple[int, ...] = STEADY_AT
    rhythms: tuple[float, ...] = ()
    """Seconds of quiet before a call. Empty: all of :data:`rhythm.DEFAULT` at the fewest pods, else back to back."""
    window: float = 10.0
    kubelet: str = ""
    """The path of a kubelet; without one, nothing is measured under a kubelet."""
    kubelet_at: tuple[int, ...] = KUBELET_AT
    kubelet_window: float = KUBELET_WINDOW
    kubelet_before: float = KUBELET_BEFORE
    log_mebibytes: int = 64
    stream_mebibytes: int = 256
    pull_image: str = ""
    """Without an image nothing is pulled."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings of a step's runs: the number of idle pods, and the seconds of quiet before each call."""

    pods: int
    period: float = rhythm.BACK_TO_BACK
