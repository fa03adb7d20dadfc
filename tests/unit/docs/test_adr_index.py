"""docs/adr/README.md lists every decision, with the title, status and date that its own file has."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs/adr"
FILES = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"Status: (?P<status>accepted|superseded by (?P<by>\d+))\n\n"
    r"Date: (?P<date>\d{4}-\d\d-\d\d)\n\n"
    r"(?:Supersedes: (?P<supersedes>\d+(?:, \d+)*)\n\n)?"
)
ROW = re.compile(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| (.+) \| (.+) \|$", re.MULTILINE)


def heads() -> dict[int, re.Match[str]]:
    """The heads of all files, by number."""
    matches = {path: HEAD.match(path.read_text(encoding="utf-8")) for path in FILES}
    assert [path.name for path, head in matches.items() if head is None] == []
    return {int(head["number"]): head for head in matches.values() if head is not None}


def test_each_file_is_named_after_its_number():
    """Four digits, and no number twice."""
    assert [int(path.name[:4]) for path in FILES] == sorted(heads())
    assert [path.name for path in FILES if not re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", path.name)] == []


def test_the_index_says_what_the_files_say():
    """A row for each, in the order of the numbers."""
    rows = ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8"))
    assert rows == [
        (head["number"], head["title"], path.name, head["status"], head["date"])
        for path, head in zip(FILES, heads().values(), strict=True)
    ]


def test_each_of_two_decisions_names_the_other():
    """What is superseded by N is in N's ``Supersedes`` line, and the other way round."""
    replaced = {(number, int(head["by"])) for number, head in heads().items() if head["by"]}
    replacing = {
        (int(old), number) for number, head in heads().items() for old in (head["supersedes"] or "").split(", ") if old
    }
    assert replaced == replacing


def test_no_decision_is_older_than_the_one_it_replaces():
    """Dates are days, so both may be the same."""
    by_path = heads()
    assert [
        number for number, head in by_path.items() if head["by"] and by_path[int(head["by"])]["date"] < head["date"]
    ] == []
