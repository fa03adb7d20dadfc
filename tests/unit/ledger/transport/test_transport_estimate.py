"""What a hop is charged for transport: by gaps, load and bytes, and by what spans have said of its kind."""

from __future__ import annotations

import pytest

from containerd_client.hops import Hop
from cri_shim.ledger.transport import byte_cost, load_factor, method_transport
from cri_shim.ledger.transport.byte_cost import PAYLOAD, ByteCost
from cri_shim.ledger.transport.load_factor import NO_LOAD, LoadFactor, level_of
from cri_shim.ledger.transport.method_transport import MethodTransport, Observation
from cri_shim.ledger.transport.transport_estimate import Charge, TransportEstimate

GET, CREATE = "containerd.services.containers.v1.Containers/Get", "containerd.services.tasks.v1.Tasks/Create"


def hop(seconds: float, method: str = GET, *, code: str = "OK", attempts: int = 1, size: int = 0) -> Hop:
    return Hop(method, 100.0, seconds, size, 0, attempts, code)


def calibrated() -> TransportEstimate:
    """Warm calls take 0.4 ms, cold ones 1.2."""
    transport = TransportEstimate()
    for gap, seconds in ((0.0, 0.0004), (0.001, 0.0005), (0.01, 0.0008), (0.1, 0.001), (1.0, 0.0012)):
        transport.curve.note(gap, seconds)
    return transport


def charged(transport: TransportEstimate, one: Hop, gap: float = 0.0, quiet: float = 0.0, busy: int = 1) -> Charge:
    charge = transport.charge("StartContainer", one, gap, quiet, busy)
    assert charge is not None
    return charge


def test_nothing_measured_is_nothing_charged():
    """A guess would look like a measurement."""
    assert TransportEstimate().charge("StartContainer", hop(0.01), 0.0, 0.0, 1) is None
    assert TransportEstimate().charge_unfinished(0.0) is None


def test_both_ways_are_charged_by_the_quiet_before_them():
    """The call by that before the hop, the answer by that before the answer."""
    transport = calibrated()
    assert charged(transport, hop(0.02)).seconds == pytest.approx(0.0004)
    assert charged(transport, hop(0.02), gap=1.0).seconds == pytest.approx((0.0012 + 0.0004) / 2)
    assert charged(transport, hop(2.0), gap=1.0, quiet=2.0).seconds == pytest.approx(0.0012)
    # A null call has its own duration of quiet before its answer as well.
    assert charged(transport, hop(0.0004), quiet=0.0004).seconds == pytest.approx(0.0004)


def test_the_load_of_the_moment_counts_and_its_spread():
    """Twice as long beside others; how well that is known is part of the error."""
    transport = calibrated()
    for factor in (1.5, 2.0, 2.5):
        transport.load.note(0, factor, 100.0)
    charge = charged(transport, hop(0.02))
    assert charge.seconds == pytest.approx(0.0008)
    assert charge.error > 0.00005
    # What waking up costs does not grow with the load.
    assert charged(transport, hop(2.0), gap=1.0, quiet=2.0).seconds == pytest.approx(0.0012 + 0.0004)


def test_bytes_cost_what_they_cost_at_their_cheapest(monkeypatch):
    """What made a single call late has nothing to do with its bytes; too few calls say nothing."""
    monkeypatch.setattr(byte_cost, "ENOUGH", 2)
    cost = ByteCost()
    cost.note(0.0004, 0.0005)
    assert cost.per_byte == 0
    cost.note(0.0004, 0.030)
    assert cost.per_byte == pytest.approx(0.0001 / PAYLOAD)
    cost.note(0.0001, 0.0001)
    assert cost.per_byte == 0
    transport = calibrated()
    transport.bytes.per_byte = 1e-9
    assert charged(transport, hop(0.02, size=100_000)).seconds == pytest.approx(0.0005)


def test_a_level_that_was_not_measured_is_that_below():
    """And what was measured long ago is nothing."""
    load = LoadFactor()
    load.note(0, 2.0, 0.0)
    load.note(1, 3.0, 0.0)
    assert load.at(0, 1.0).times == 2.0
    assert load.at(1, 1.0).times == 3.0
    assert load.at(2, 1.0).times == 3.0
    assert load.at(2, load_factor.OUTDATED) == NO_LOAD
    load.note(1, 5.0, load_factor.OUTDATED)
    assert load.at(1, load_factor.OUTDATED).times == 5.0
    assert [level_of(busy) for busy in (0, 1, 2, 3, 4, 90)] == [0, 0, 1, 1, 2, 2]


def test_an_even_method_is_charged_what_is_left_of_it():
    """Containerd answers Get in 0.1 ms, always: what a hop took beyond that was its way."""
    methods = MethodTransport()
    for transport in (0.0005, 0.002, 0.001, 0.003):
        methods.note(("ExecSync", GET, 0), Observation(transport / 0.0005, 0.0001, 0.0002))
    estimate = methods.estimate(("ExecSync", GET, 0), 0.0051, 0.0005)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(0.005, rel=0.02)
    assert estimate.error == pytest.approx(0.0002)


def test_an_uneven_method_is_charged_null_calls_with_a_factor():
    """The duration of a start (50 to 90 ms) predicts no transport; the estimate of null calls is corrected instead."""
    methods = MethodTransport()
    for daemon in (0.05, 0.09, 0.06, 0.08):
        methods.note(("StartContainer", CREATE, 0), Observation(2.0, daemon, 0.0001))
    estimate = methods.estimate(("StartContainer", CREATE, 0), 0.2, 0.0005)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(0.001, rel=0.01)


def test_kinds_are_methods_within_requests_and_few():
    """The same call in another request is another kind; of two hops nothing is known; the oldest kind is forgotten."""
    methods = MethodTransport()
    for _ in range(method_transport.ENOUGH):
        methods.note(("RunPodSandbox", CREATE, 0), Observation(2.0, 0.05, 0.0))
    assert methods.estimate(("RunPodSandbox", CREATE, 0), 0.1, 0.0005) is not None
    assert methods.estimate(("StartContainer", CREATE, 0), 0.1, 0.0005) is None
    methods.note(("StartContainer", CREATE, 0), Observation(2.0, 0.05, 0.0))
    assert methods.estimate(("StartContainer", CREATE, 0), 0.1, 0.0005) is None
    for number in range(method_transport.KINDS):
        methods.note(("Other", str(number), 0), Observation(1.0, 0.01, 0.0))
    assert len(methods) == method_transport.KINDS
    assert methods.estimate(("RunPodSandbox", CREATE, 0), 0.1, 0.0005) is None


def test_each_level_of_load_is_known_by_itself():
    """Where one was not seen yet, what the nearest says is better than nothing."""
    methods = MethodTransport()
    for _ in range(method_transport.ENOUGH):
        methods.note(("ExecSync", CREATE, 0), Observation(1.0, 0.05, 0.0))
        methods.note(("ExecSync", CREATE, 2), Observation(3.0, 0.05, 0.0))
    ratios = []
    for level in range(3):
        estimate = methods.estimate(("ExecSync", CREATE, level), 0.051, 0.001)
        assert estimate is not None
        ratios.append(estimate.seconds)
    assert ratios[0] == pytest.approx(0.001)
    assert ratios[1] == ratios[0]
    assert ratios[2] > ratios[0]


def test_spans_teach_and_are_compared_with_what_was_charged_before():
    """The estimate is that of the moment, not one that knows the answer."""
    transport = calibrated()
    for _ in range(20):
        one = hop(0.051, CREATE)
        transport.learn("StartContainer", one, charged(transport, one), 0.050)
    compared = transport.agreement.hops()[""]
    assert compared.pairs == 20
    assert compared.by_null_calls / compared.spans == pytest.approx(0.4, rel=0.01)
    assert compared.estimate / compared.spans == pytest.approx(1.0, rel=0.01)
    assert compared.estimate_sum < compared.spans_sum
    assert charged(transport, hop(0.051, CREATE)).seconds == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize("code", ["CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNFINISHED"])
def test_hops_that_containerd_did_not_end_teach_nothing(code):
    """Nor do those that were repeated: of which attempt is the span?"""
    transport = calibrated()
    for one in (hop(0.05, code=code), hop(0.05, attempts=2)):
        transport.learn("StartContainer", one, charged(transport, one), 0.01)
    assert len(transport.methods) == 0
    assert transport.agreement.hops() == {}
