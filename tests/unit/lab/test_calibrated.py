"""The playground's pod is started when its price can be known."""

from __future__ import annotations

import pytest

from cri_shim.explorer.calibration_json import calibration
from cri_shim.ledger.front_estimate import FrontEstimate, Gaps
from cri_shim.ledger.transport.gap_curve import GAPS, ROUNDS_AT_START
from cri_shim.ledger.transport.transport_estimate import TransportEstimate
from lab.playground import calibrated


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("rounds", [0, 1, ROUNDS_AT_START])
def test_both_parts_have_to_be_measured(rounds: int, probe: bool) -> None:
    """In the form in which the daemon answers."""
    transport, front = TransportEstimate(), FrontEstimate()
    for gap in GAPS * rounds:
        transport.curve.note(gap, 0.001)
    if probe:
        front.note(Gaps(0.0, 0.0), 0.001, 0.001)
    assert calibrated.is_calibrated(calibration(transport, front)) == (probe and rounds == ROUNDS_AT_START)


def test_a_round_that_is_under_way() -> None:
    """The longest gap is the last one, and has one measurement less."""
    transport, front = TransportEstimate(), FrontEstimate()
    front.note(Gaps(0.0, 0.0), 0.001, 0.001)
    for gap in (GAPS * ROUNDS_AT_START)[:-1]:
        transport.curve.note(gap, 0.001)
    assert not calibrated.is_calibrated(calibration(transport, front))


def test_a_daemon_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod is started all the same."""
    monkeypatch.setattr(calibrated, "LONGEST", 0.0)
    assert not calibrated.wait_calibrated("http://127.0.0.1:1")
