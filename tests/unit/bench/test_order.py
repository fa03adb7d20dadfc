"""Whose turn it is."""

from __future__ import annotations

from cri_shim.bench.order import order_of_round


def test_two_sides_go_a_b_b_a():
    """Each round turns the order round, so that the same side follows itself across rounds."""
    sides = [name for number in range(4) for name in order_of_round(("a", "b"), number)]
    assert "".join(sides) == "abbaabba"


def test_each_side_has_the_same_place_on_average():
    """Over any even number of rounds no side is earlier than another."""
    sides = ("a", "b", "c")
    places = {name: sum(order_of_round(sides, number).index(name) for number in range(6)) for name in sides}
    assert set(places.values()) == {6}
