"""The experiments, one file each."""

from __future__ import annotations

from cri_shim.bench.scenarios.scenario import Scenario, WrongWorkError

__all__ = ["Scenario", "WrongWorkError"]
