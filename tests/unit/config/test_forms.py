"""Durations as Go writes them, and file modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.config.forms import parse_duration, parse_mode, render_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("4h0m0s", 14400),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("+2us", 2e-6),
    ],
)
def test_a_duration_is_what_go_takes_it_for(text, seconds):
    """Units, fractions and sums of them mean the same as in containerd's own configuration."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "+", "5", "s", "1d", "1 s", "-1s", "1s2", "1..5s", "٣s", "1s\n"])
def test_what_is_no_duration_is_refused(text):
    """A number without a unit could mean anything and is not guessed."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_a_duration_survives_being_written(nanoseconds):
    """Writing and reading give the same time, to the nanosecond."""
    assert round(parse_duration(render_duration(nanoseconds / 1e9)) * 1e9) == pytest.approx(nanoseconds, abs=1)


def test_durations_are_written_short():
    """No zeros that say nothing."""
    assert [render_duration(each) for each in (0, 10, 300, 14400, 0.25)] == ["0s", "10s", "5m", "4h", "250ms"]


def test_a_mode_is_octal():
    """0660 and 660 are the same; decimal and symbolic ones are not taken."""
    assert parse_mode("0660") == parse_mode("660") == 0o660
    for text in ("", "0o660", "66", "06600", "0888", "rw-"):
        with pytest.raises(ValueError, match="not a file mode"):
            parse_mode(text)
