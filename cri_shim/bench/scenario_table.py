"""The scenarios by their names on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.scenarios.batch import Batch
from cri_shim.bench.scenarios.calls import Calls
from cri_shim.bench.scenarios.floor import Floor
from cri_shim.bench.scenarios.kubelet_steady import KubeletSteady
from cri_shim.bench.scenarios.life import Life
from cri_shim.bench.scenarios.logs import Logs
from cri_shim.bench.scenarios.probes import Probes
from cri_shim.bench.scenarios.pull import Pull
from cri_shim.bench.scenarios.steady import Steady
from cri_shim.bench.scenarios.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.bench.options import Options, Surroundings
    from cri_shim.bench.scenarios.scenario import Scenario

SCENARIOS: dict[str, Callable[[Options, Surroundings], Scenario]] = {
    "life": lambda _options, _around: Life(),
    "floor": lambda _options, _around: Floor(),
    "exec": lambda _options, around: Probes(around.period),
    "logs-1": lambda options, _around: Logs(1, options.log_mebibytes),
    "logs-10": lambda options, _around: Logs(10, max(1, options.log_mebibytes // 8)),
    "pull": lambda options, _around: Pull(options.pull_image),
    "streams": lambda options, _around: Streams(options.stream_mebibytes),
    "batch": lambda options, _around: Batch(options.batch_pods),
    "calls": lambda _options, around: Calls(around.pods, around.period),
    "steady": lambda options, around: Steady(around.pods, options.window),
    "kubelet": lambda options, around: KubeletSteady(
        Path(options.kubelet), around.pods, options.kubelet_window, options.kubelet_before
    ),
}
"""In the order of running and reporting: the functions that make scenarios from options and surroundings."""
