"""The price in pages that were written by hand: between its marks, true to its file, and nothing else touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim import cli
from cri_shim.bench.report.price_page import PricePageError, names, with_price
from cri_shim.bench.results import result_file
from tests.unit.bench.made_up import priced, run

DOCS = Path(__file__).parents[4] / "docs"
PAGE = """\
# The price

<!-- price sentences p: begin -->
<!-- price sentences p: end -->

By hand.

<!-- price table p: begin -->
old
<!-- price table p: end -->
<!-- price table q: begin -->
of another run
<!-- price table q: end -->
"""


def rhythms():
    """A run of calls at two rhythms, the slower one first."""
    made = priced(
        {"ListPodSandbox": [{}], "Version": [{}]}, {"ListPodSandbox": [0.5], "Version": [0.4]}, scenario="calls"
    )
    (fast,) = made.steps
    slow = replace(fast, rhythm="every 1 s", options={"period_s": 1.0})
    middle = replace(fast, rhythm="every 40 ms", options={"period_s": 0.04})
    return replace(made, steps=(slow, middle, fast))


def test_pages_in_the_docs_say_what_their_files_say():
    """Each block of each page comes from the JSON that its marks name."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for name in names(text):
            made_again = with_price(text, result_file.load(DOCS / "data" / f"{name}.json"), name)
            assert made_again == text, f"cri-shim compare report docs/data/{name}.json --price-table {page}"


def test_only_what_is_between_the_marks_of_the_name_changes():
    """What was written by hand and the other run's table stay; doing it again changes nothing."""
    page = with_price(PAGE, rhythms(), "p")
    assert page.startswith("# The price\n\n<!-- price sentences p: begin -->\n")
    assert "By hand.\n" in page
    assert "old" not in page
    assert "of another run" in page
    assert page.count("| ListPodSandbox |") == 3
    assert "- ListPodSandbox (0 idle pods, every 40 ms): the hop cost" in page
    assert with_price(page, rhythms(), "p") == page


def test_rhythms_of_an_rpc_stand_together_from_the_fastest_on():
    """RPC by RPC, not step by step."""
    table = [line.split(" | ")[:3] for line in with_price("", rhythms(), "p").splitlines() if line.startswith("| ")]
    assert [row[2] for row in table[2:]] == ["back to back", "every 40 ms", "every 1 s"] * 2
    assert [row[0] for row in table[2:]] == ["| ListPodSandbox"] * 3 + ["| Version"] * 3


def test_the_table_says_where_it_comes_from():
    """The file, the day, the machine and the command."""
    page = " ".join(with_price("", rhythms(), "p").split())
    for wanted in ("`p.json`", "1970-01-01", "2 cores (a CPU)", "`make compare`", "plugin: containerd 1.6.20"):
        assert wanted in page


def test_a_changed_number_would_be_noticed():
    """Another bill, another page."""
    bill = {"work": 1.2, "wall": 8.2}
    other = priced({"ListPodSandbox": [bill]}, {"ListPodSandbox": [0.5]}, scenario="calls")
    same = priced({"ListPodSandbox": [{}]}, {"ListPodSandbox": [0.5]}, scenario="calls")
    assert with_price(with_price("", same, "p"), other, "p") == with_price("", other, "p") != with_price("", same, "p")


@pytest.mark.parametrize("page", ["# By hand\n", "<!-- price table p: begin -->\n", PAGE.replace(" p:", " r:")])
def test_a_page_without_a_place_for_it_is_left_alone(page):
    """The error gives the lines to add."""
    with pytest.raises(PricePageError, match="<!-- price table p: begin -->"):
        with_price(page, rhythms(), "p")


def test_a_run_without_bills_is_named():
    """Nothing is written in place of a price."""
    with pytest.raises(PricePageError, match="measure again"):
        with_price("", run(0.8), "p")


def test_the_command_writes_the_page_and_nothing_else(tmp_path, capsys):
    """A new file, then the same one again; no report beside the result."""
    result_file.save(tmp_path / "p.json", rhythms())
    for _ in range(2):
        assert cli.main(["compare", "report", str(tmp_path / "p.json"), "--price-table", str(tmp_path / "x.md")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.json", "x.md"]
    assert (tmp_path / "x.md").read_text() == with_price("", rhythms(), "p")
    assert "x.md" in capsys.readouterr().err


def test_what_is_wrong_is_one_sentence(tmp_path, capsys):
    """Two runs, a page without a place, a page that is not text, a folder that is not there."""
    file = tmp_path / "p.json"
    result_file.save(file, rhythms())
    (tmp_path / "by-hand.md").write_text("# By hand\n")
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe")
    for arguments, wrong in (
        ([str(file), str(file), "--price-table", str(tmp_path / "x.md")], "takes one FILE.json"),
        ([str(file), "--price-table", str(tmp_path / "by-hand.md")], "no place for it"),
        ([str(file), "--price-table", str(tmp_path / "binary.md")], "not UTF-8"),
        ([str(file), "--price-table", str(tmp_path / "none" / "x.md")], "No such file"),
    ):
        assert cli.main(["compare", "report", *arguments]) == 1
        said = capsys.readouterr().err
        assert wrong in said
        assert said.count("\n") == 1
    assert (tmp_path / "by-hand.md").read_text() == "# By hand\n"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (PAGE.replace("<!-- price table p: begin -->\nold\n", "<!-- price table p: begin -->\n" * 2), "table p: begin"),
        (PAGE.replace("<!-- price table p: end -->\n", ""), "table q: begin"),
        (PAGE.replace("<!-- price sentences p: begin -->\n", ""), "sentences p: end"),
        (PAGE + "<!-- price table r: begin -->\n", "table r: begin"),
    ],
)
def test_marks_that_are_no_pairs_are_refused(wrong, named):
    """What was written by hand between a begin and the next end is not taken for an old table."""
    with pytest.raises(PricePageError, match=f"the line <!-- price {named} -->"):
        with_price(wrong, rhythms(), "p")


def test_a_name_may_have_blanks():
    """As a file's may."""
    page = with_price("", rhythms(), "my run (2)")
    assert names(page) == ["my run (2)"]
    assert with_price(page, rhythms(), "my run (2)") == page
