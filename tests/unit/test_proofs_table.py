"""The numbers of the proofs in docs/price.md are those that the tests have written to docs/data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lab.measuring import proofs

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_has_the_numbers_of_the_file():
    """Each table, to the letter."""
    page = (DOCS / "price.md").read_text(encoding="utf-8")
    data = json.loads((DOCS / "data" / "proofs.json").read_text(encoding="utf-8"))
    for name, table in proofs.tables(data).items():
        assert proofs.between(page, name) == table


def test_what_tests_keep_comes_into_the_page(tmp_path, monkeypatch):
    """Number by number into the file, and from there between the marks; what else is on the page stays."""
    data, page = tmp_path / "d.json", tmp_path / "p.md"
    monkeypatch.setenv(proofs.VARIABLE, str(data))
    proofs.keep("delays", "a lock", dict.fromkeys(proofs.PARTS, 0.0) | {"queue": 5.1})
    proofs.keep("client", "ListPodSandbox", 0.98)
    marks = "".join(f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in ("delays", "client"))
    page.write_text(f"before\n{marks}after\n")
    monkeypatch.setattr(sys, "argv", ["proofs", str(data), str(page)])
    proofs.main()
    text = page.read_text()
    assert "| a lock | +0.00 | +0.00 | +0.00 | +5.10 | +0.00 |" in text
    assert "| ListPodSandbox | 0.980 |" in text
    assert (text.startswith("before\n"), text.endswith("after\n"), "old" in text) == (True, True, False)


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path, monkeypatch):
    """An ordinary run of the tests writes no file."""
    monkeypatch.delenv(proofs.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    proofs.keep("client", "ListPodSandbox", 0.98)
    assert not list(tmp_path.iterdir())
