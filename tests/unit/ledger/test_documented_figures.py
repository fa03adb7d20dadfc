"""The page shows figures of other architectures only as they stand in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "cri_shim/explorer/page"
_ENTRY = re.compile(r'"([^"]+)": \{ ran: "([^"]+)", start: ([\d.]+), end: ([\d.]+), list: ([\d.]+) \}')


def test_each_figure_of_another_architecture_is_one_of_the_docs():
    """Name, what ran and three medians: a row of the table "Side by side"."""
    shown = _ENTRY.findall((PAGE / "documented.js").read_text())
    table = (ROOT / "docs/evolution.md").read_text().split("## Side by side", 1)[1].split("\n## ", 1)[0]
    rows = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if "|" in line}
    assert set(shown) <= rows
    assert {name for name, *_ in shown} == {"dockershim", "containerd 1.0", "CRI plugin"}


def test_only_the_last_picture_has_figures_of_this_daemon():
    """What is measured here belongs to the arrows of cri-shim."""
    pictures = (PAGE / "architectures.js").read_text().split("name: ")[1:]
    assert [picture.split(",", 1)[0] for picture in pictures if "figure: " in picture] == ['"cri-shim"']
