"""Quantities and limits."""

from __future__ import annotations

import pytest

from cri_shim.errors import InvalidArgumentError
from cri_shim.network.bandwidth import EGRESS, INGRESS, bandwidth, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("1k", 1000), ("10M", 10**7), ("1.5G", 15 * 10**8), ("1Ki", 1024), ("2Mi", 2**21), ("1e6", 10**6),
        ("1E3", 1000), ("1E", 10**18), (".5k", 500), ("1500m", 2), ("100u", 1), ("+3", 3),
    ],
)  # fmt: skip
def test_quantities(text: str, value: int) -> None:
    """All suffixes and exponents are read; fractions are rounded up."""
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "k", "1K", "1 M", "1kk", "0x10", "1e", "ten", "1mi", "١"])
def test_what_is_no_quantity(text: str) -> None:
    """Anything else raises and is quoted."""
    with pytest.raises(ValueError, match="is not a quantity") as caught:
        parse_quantity(text)
    assert repr(text) in str(caught.value)


def test_no_annotation_no_limit() -> None:
    """A pod without the annotations has no limit at all."""
    assert bandwidth({"other": "1M"}) is None


def test_one_direction_leaves_the_other_open() -> None:
    """Only what was asked for is limited."""
    assert bandwidth({EGRESS: "2M"}) == {"egressRate": 2_000_000, "egressBurst": 4294967295}


@pytest.mark.parametrize(("annotation", "text"), [(INGRESS, "999"), (EGRESS, "2P"), (INGRESS, "-1M"), (EGRESS, "fast")])
def test_unreasonable_limits_name_the_annotation(annotation: str, text: str) -> None:
    """Below 1k, above 1P or unreadable is the caller's mistake."""
    with pytest.raises(InvalidArgumentError, match=annotation):
        bandwidth({annotation: text})


def test_a_quantity_that_does_not_end() -> None:
    """An annotation may have megabytes; the sentence about it has not."""
    with pytest.raises(InvalidArgumentError, match="more characters") as caught:
        bandwidth({INGRESS: "9" * 1_000_001})
    assert len(str(caught.value)) < 1000
