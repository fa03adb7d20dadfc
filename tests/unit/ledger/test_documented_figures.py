"""The page shows figures of other architectures only as they stand in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from lab.measuring.figures import IN_SCRIPT

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "cri_shim/explorer/page"
_ENTRY = re.compile(r'^  "([^"]+)": \{\n    ran: "[^"]+",\n((?:    \w+: .*\n)+)  \},$', re.MULTILINE)


def test_each_figure_of_another_architecture_names_its_result():
    """So it is renewed, and held to the result, with the figures of the documentation (tests/unit/docs)."""
    entries = dict(_ENTRY.findall((PAGE / "documented.js").read_text()))
    assert list(entries) == ["dockershim", "containerd 1.0", "CRI plugin"]
    for figures in entries.values():
        assert all(IN_SCRIPT.search(line) for line in figures.splitlines())


def test_the_documentation_shows_the_same_run():
    """All three stand in the table "Side by side" of the run from which the figures are."""
    names = {source.split(";")[0] for _, source in IN_SCRIPT.findall((PAGE / "documented.js").read_text())}
    table = (ROOT / "docs/evolution.md").read_text().split("## Side by side", 1)[1].split("\n## ", 1)[0]
    assert [f"<!-- medians {name}: begin -->" in table for name in names] == [True]


def test_only_the_last_picture_has_figures_of_this_daemon():
    """What is measured here belongs to the arrows of cri-shim."""
    pictures = (PAGE / "architectures.js").read_text().split("name: ")[1:]
    assert [picture.split(",", 1)[0] for picture in pictures if "figure: " in picture] == ['"cri-shim"']
