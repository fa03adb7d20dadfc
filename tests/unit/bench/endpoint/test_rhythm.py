"""How fast calls follow each other."""

from __future__ import annotations

import itertools
import time

import pytest

from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.endpoint.rhythm import in_words, parse_rhythm
from cri_shim.bench.results import schema
from cri_shim.bench.scenarios.calls import Calls


@pytest.mark.parametrize(
    ("text", "seconds", "words"),
    [
        ("back-to-back", 0, "back to back"),
        ("0", 0, "back to back"),
        ("40ms", 0.04, "every 40 ms"),
        ("1s", 1, "every 1 s"),
        ("2m", 120, "every 2 m"),
        ("1m30s", 90, "every 1m30s"),
    ],
)
def test_a_rhythm_is_read_and_said(text, seconds, words):
    """Durations are Go's."""
    assert parse_rhythm(text) == pytest.approx(seconds)
    assert in_words(parse_rhythm(text)) == words


def test_steps_are_named_by_their_rhythm():
    """Back to back is what a step without a rhythm was always called."""
    assert schema.Step("calls", 0, {}).name == "calls"
    assert schema.Step("calls", 0, {}, rhythm="every 40 ms").name == "calls@0 every 40 ms"
    assert schema.Step("calls", 35, {}, rhythm="every 1 s").name == "calls@35 every 1 s"


class Clocked:
    """A node that remembers when it was called, and how much CPU time this process had used by then."""

    def __init__(self):
        self.calls: list[tuple[str, float, float]] = []
        self.left_out: dict[str, str] = {}

    async def call(self, _samples, rpc, _request):
        self.calls.append((rpc, time.monotonic(), time.process_time()))
        return b""


async def test_a_pause_comes_before_every_call_and_is_slept():
    """No two calls are nearer than the period, and the wait for them uses no CPU to speak of."""
    node = Clocked()
    calls = Calls(0, period=0.05)
    calls.repeats = 2
    began, used = time.monotonic(), time.process_time()
    await calls.run(node, Samples())  # type: ignore[arg-type]
    moments = [began, *(moment for _, moment, _ in node.calls)]
    assert len(node.calls) == 2 * len(calls.metrics)
    assert all(after - before >= 0.049 for before, after in itertools.pairwise(moments))
    assert node.calls[-1][2] - used < (moments[-1] - began) / 2
    assert {rpc for rpc, *_ in node.calls} == {metric.key for metric in calls.metrics}
