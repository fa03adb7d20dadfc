"""The experiments, one file each, and the table of them by the names they have on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.scenarios.batch import Batch
from cri_shim.bench.scenarios.calls import Calls
from cri_shim.bench.scenarios.floor import Floor
from cri_shim.bench.scenarios.life import Life
from cri_shim.bench.scenarios.logs import Logs
from cri_shim.bench.scenarios.probes import Probes
from cri_shim.bench.scenarios.pull import Pull
from cri_shim.bench.scenarios.scenario import Scenario, WrongWorkError
from cri_shim.bench.scenarios.steady import Steady
from cri_shim.bench.scenarios.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.bench.plan import Surroundings, Wishes

__all__ = ["SCENARIOS", "Scenario", "WrongWorkError"]

SCENARIOS: dict[str, Callable[[Wishes, Surroundings], Scenario]] = {
    "life": lambda _wishes, _around: Life(),
    "floor": lambda _wishes, _around: Floor(),
    "exec": lambda _wishes, around: Probes(around.period),
    "logs-1": lambda wishes, _around: Logs(1, wishes.log_mebibytes),
    "logs-10": lambda wishes, _around: Logs(10, max(1, wishes.log_mebibytes // 8)),
    "pull": lambda wishes, _around: Pull(wishes.pull_image),
    "streams": lambda wishes, _around: Streams(wishes.stream_mebibytes),
    "batch": lambda wishes, _around: Batch(wishes.batch_pods),
    "calls": lambda _wishes, around: Calls(around.pods, around.period),
    "steady": lambda wishes, around: Steady(around.pods, wishes.window),
}
"""In the order in which they are run and reported; what is made of wishes and of the surroundings."""
