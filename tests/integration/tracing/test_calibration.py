"""Estimates of transport agree with what containerd says afterwards, under a mixed load, and what was learned stays."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from tests.integration.tracing.conftest import call, get, need_containerd, need_spans
from tests.lab.calibration_load import WITH_HOPS, MixedLoad
from tests.lab.calibration_run import BY_METHOD, IN_TOTAL, node_with_spans, until_measured, until_told
from tests.lab.pod_configs import pod_config

LIVES = 42


def uncertain(one: dict[str, Any]) -> float:
    """By how much the ratio may differ in a run of this length by chance alone, as a logarithm (two standard errors).

    The ratios of single requests scatter, on a busy machine by factors; so does what few of them have in the middle.
    """
    scatter = math.log(one["ratio_p90"] / one["ratio_p10"]) / 2.56
    return 2 * 1.25 * scatter / math.sqrt(one["pairs"])


async def test_estimate_and_spans_agree_and_the_lesson_is_kept() -> None:
    """500 requests and more of every method that changes something: medians within 20 %, sums within 10.

    Then the daemon is started anew without tracing: what it has learned is there and used.
    """
    need_containerd()
    async with node_with_spans() as lab:
        need_spans(lab)
        load = MixedLoad(lab)
        await load.prepare()
        await until_measured(lab)
        phases = await load.run(LIVES)
        lives = sum(count for count, _ in phases.values())
        answer = await until_told(lab, lives)
        compared = answer["agreement"]["requests"]
        total = compared["total"]
        for one in (*compared["methods"], total | {"method": "total", "ratio": total["sum_ratio"]}):
            print(
                f"{one['method']:<26} {one['estimate_ms']:6.2f} {one['spans_ms']:6.2f} {one['ratio']:5.2f} "
                f"({one['ratio_p10']:.2f} to {one['ratio_p90']:.2f}) null calls {one['null_calls_ratio']:5.2f}"
            )
        assert {one["method"] for one in compared["methods"]} >= WITH_HOPS
        assert total["pairs"] >= 500 * 0.95
        for one in compared["methods"]:
            assert abs(math.log(one["ratio"])) <= math.log(1 + BY_METHOD) + uncertain(one), one
        # Sums hang on the few longest, and so more on chance than medians do.
        assert abs(math.log(total["sum_ratio"])) <= math.log(1 + IN_TOTAL) + 2 * uncertain(total), total
        # What null calls alone say is all that there is without spans: rougher, and too low on a busy machine.
        assert 0.3 < total["null_calls_sum_ratio"] < 2

        learned = {(kind["method"], kind["hop"]) for kind in answer["learned"]}
        lab.settings["tracing"] = {}
        await asyncio.to_thread(lab.bridge.restart)
        again = await asyncio.to_thread(get, lab, "/api/calibration")
        assert {(kind["method"], kind["hop"]) for kind in again["learned"]} == learned
        await until_measured(lab)
        await call(lab, "RunPodSandbox", config=pod_config(cgroup_parent=lab.cgroup_parent))
        (run,) = (await asyncio.to_thread(get, lab, "/api/requests?method=RunPodSandbox"))["requests"]
        assert run["bill"]["split"] == "estimate"
        assert 0 < run["bill"]["transport_error_ms"]
