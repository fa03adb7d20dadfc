"""``cri-shim hops calibrate``: what the daemon knows about transport, in tables; nothing known is said in words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from containerd_client.hops import Hop
from cri_shim.cli import main
from cri_shim.explorer.calibration_json import calibration
from cri_shim.ledger.front_estimate import FrontEstimate, Gaps
from cri_shim.ledger.transport.agreement import Pair
from cri_shim.ledger.transport.transport_estimate import Charge, TransportEstimate
from cri_shim.terminal.calibration import calibration_text
from cri_shim.terminal.fetch import Explorer

CREATE = "containerd.services.tasks.v1.Tasks/Create"


def test_before_the_first_null_call_it_says_that_none_was_measured():
    """No table of nothing."""
    assert "no null call has been measured yet" in calibration_text(calibration(TransportEstimate(), FrontEstimate()))


def test_without_spans_it_shows_the_curve_and_says_what_is_missing():
    """A node with containerd 1.6."""
    transport = TransportEstimate()
    transport.curve.note(0.0, 0.0004)
    transport.curve.note(1.0, 0.0012)
    front = FrontEstimate()
    front.note(Gaps(0.1, 1.0), 0.0007, 0.0003)
    text = calibration_text(calibration(transport, front))
    rows = [line.split() for line in text.splitlines()]
    assert ["0", "0.400", "0.000", "1", "0"] in rows
    assert ["1000", "1.20", "0.000", "1", "0"] in rows
    assert ["100", "0.700", "0.000", "1", "0"] in rows
    assert ["1000", "0.300", "0.000", "1", "0"] in rows
    assert "spans have said nothing yet" in text


def test_with_spans_it_shows_what_they_taught_and_how_far_they_agree():
    """By method and in total, with what null calls alone would have said beside it."""
    transport = TransportEstimate()
    transport.curve.note(0.0, 0.0004)
    transport.load.note(0, 1.5, time.perf_counter())
    one = Hop(CREATE, time.perf_counter(), 0.05, 100, 10, 1, "OK")
    for _ in range(5):
        transport.learn("StartContainer", one, Charge(0.0009, 0.0001, 0.0005), 0.049)
        transport.agreement.note_request("StartContainer", Pair(0.0009, 0.0005, 0.001))
    answer = calibration(transport, FrontEstimate())
    total = answer["agreement"]["requests"]["total"]
    assert (total["pairs"], total["ratio"], total["sum_ratio"], total["null_calls_ratio"]) == (5, 0.9, 0.9, 0.5)
    assert answer["learned"][0] | {"daemon_error_ms": 0, "ratio_error": 0, "error_ms": 0} == {
        "method": "StartContainer",
        "hop": CREATE,
        "level": 0,
        "hops": 5,
        "ratio": 2.0,
        "ratio_error": 0,
        "daemon_ms": 49.0,
        "daemon_error_ms": 0,
        "error_ms": 0,
    }
    text = calibration_text(answer)
    rows = [line.split() for line in text.splitlines()]
    assert ["1", "or", "more", "1.50", "0.00", "1", "0"] in rows
    assert ["StartContainer", "5", "0.900", "1.00", "0.90", "(0.90", "to", "0.90)", "0.90", "0.50", "0.50"] in rows
    assert ["all", "together", "5", "0.900", "1.00", "0.90", "(0.90", "to", "0.90)", "0.90", "0.50", "0.50"] in rows


@pytest.mark.parametrize("flags", [(), ("-o", "json"), ("--json",)])
def test_the_command_prints_text_or_the_answer_as_it_is(monkeypatch, capsys, flags):
    """As all of ``cri-shim hops``."""
    answer = calibration(TransportEstimate(), FrontEstimate())

    def get(_explorer: Explorer, path: str, **_query: str) -> Any:
        assert path == "/api/calibration"
        return answer

    monkeypatch.setattr(Explorer, "get", get)
    assert main(["hops", "calibrate", "--address", "127.0.0.1:1", *flags]) == 0
    printed = capsys.readouterr().out
    if flags:
        assert json.loads(printed) == answer
    else:
        assert "no null call has been measured yet" in printed


def test_a_word_that_is_none_of_its_own_is_refused(capsys):
    """In words, before anything is asked."""
    assert main(["hops", "calibrat", "--address", "127.0.0.1:1"]) == 2
    assert "calibrate" in capsys.readouterr().err
