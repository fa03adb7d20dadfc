"""The scenarios of a comparison, one in each file.

This room may import ``bench/floor``, ``bench/kubelet``, ``bench/endpoint`` and the rooms below them. It must never know
the options of the command: each scenario takes the values that it needs.
"""

from __future__ import annotations

from cri_shim.bench.scenarios.scenario import Scenario, WrongWorkError

__all__ = ["Scenario", "WrongWorkError"]
