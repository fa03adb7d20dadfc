"""Kubernetes' notation of quantities."""

from __future__ import annotations

import pytest

from cri_shim.qos.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("100", 100), ("10k", 10_000), ("50M", 50_000_000), ("64Mi", 64 << 20), ("1.5G", 1_500_000_000),
        (".5Ki", 512), ("2e6", 2_000_000), ("2E3", 2000), ("3E", 3 * 10**18), ("1Ei", 1 << 60), ("1500m", 2),
        ("1n", 1), ("-5", -5), ("5.", 5),
    ],
)  # fmt: skip
def test_quantities(text, number):
    """Suffixes of 1000 and of 1024, exponents, and fractions, which are rounded up."""
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "M", "10 M", "10K", "1.2.3", "0x10", "10MB", "1e", "1e400", "ten", "٣"])
def test_what_is_no_quantity(text):
    """The error repeats the text; K alone is none, and no number may be so large that it takes long."""
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)
