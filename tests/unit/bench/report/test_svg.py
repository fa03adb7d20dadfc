"""Scales and ticks."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from cri_shim.bench.report import svg


def test_scales_meet_their_ends():
    """The lowest value is at the left end, the highest at the right, on both kinds."""
    for scale in (svg.linear(2, 8, 100, 200), svg.logarithmic(2, 8, 100, 200)):
        assert [scale(2), scale(8)] == pytest.approx([100, 200])
    assert svg.logarithmic(1, 100, 0, 10)(10) == pytest.approx(5)


@pytest.mark.parametrize(("high", "expected"), [(10, [0, 2, 4, 6, 8, 10]), (0.9, [0, 0.2, 0.4, 0.6, 0.8]), (0, [0])])
def test_ticks_are_round_numbers(high, expected):
    """Steps of 1, 2 or 5 times a power of ten, not beyond the end."""
    assert svg.round_ticks(high) == pytest.approx(expected)


def test_logarithmic_ticks_stay_few_and_inside():
    """Ones, twos and fives while they are few, powers of ten otherwise."""
    assert svg.log_ticks(0.5, 2.5) == pytest.approx([0.5, 1, 2])
    assert svg.log_ticks(0.1, 1000) == pytest.approx([0.1, 1, 10, 100, 1000])


def test_words_are_escaped():
    """A label with marks of XML is still a label."""
    picture = svg.plot(10, [svg.text(0, 0, "a < b & c"), svg.rect(0, 0, 1, 1, "f0", '"x" > y')], 'of "x" & y')
    root = ET.fromstring(picture)
    assert root.get("aria-label") == 'of "x" & y'
    assert "a < b & c" in [each.text for each in root]


def test_a_picture_alone_brings_its_colours():
    """As a file it has both sets of colours, and is still well formed."""
    picture = svg.alone(svg.plot(10, [svg.dot(1, 1, 1, "f0")], "x"))
    assert ET.fromstring(picture) is not None
    assert "prefers-color-scheme:dark" in picture
