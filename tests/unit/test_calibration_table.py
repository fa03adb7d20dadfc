"""The table of estimates against spans in docs/price.md is that of the run in docs/data."""

from __future__ import annotations

import json
from pathlib import Path

from lab.measuring.calibration_run import markdown, verdict

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- calibration: begin -->\n", "<!-- calibration: end -->"


def test_the_page_has_the_table_of_the_run():
    """Between its marks, to the letter."""
    page = (DOCS / "price.md").read_text(encoding="utf-8")
    run = json.loads((DOCS / "data" / "calibration.json").read_text(encoding="utf-8"))
    assert page.partition(BEGIN)[2].partition(END)[0] == markdown(run)


def test_the_run_is_one_that_proves_something():
    """500 requests of each method, within a fifth at the median of each and within a tenth in the sum."""
    run = json.loads((DOCS / "data" / "calibration.json").read_text(encoding="utf-8"))
    assert verdict(run) == []
    assert min(one["pairs"] for one in run["agreement"]["requests"]["methods"]) >= 500
