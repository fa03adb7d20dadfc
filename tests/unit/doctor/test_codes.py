"""Codes are stable: each has its row in docs/doctor.md, and a test that provokes it."""

from __future__ import annotations

import re
from pathlib import Path

from cri_shim.doctor.checks.cni import judge_files, read_files
from cri_shim.doctor.codes import CODES
from cri_shim.doctor.facts.code import SEVERITIES
from tests.unit.doctor.node_tree import config_of, plant, reported

PROJECT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\w+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_the_page_has_a_row_for_each_code():
    rows = ROW.findall((PROJECT / "docs/doctor.md").read_text())
    assert [row[:3] for row in rows] == [(code.name, code.severity, code.wrong) for code in CODES]
    assert all(row[3].strip() for row in rows)


def test_the_example_of_the_page_counts_all_codes():
    match = re.search(
        r"^(\d+) checks: 1 error, 1 note, (\d+) fine$", (PROJECT / "docs/doctor.md").read_text(), re.MULTILINE
    )
    assert match is not None
    assert (int(match[1]), int(match[2])) == (len(CODES), len(CODES) - 2)


def test_the_network_of_the_page_is_a_healthy_one(tmp_path):
    match = re.search(r"```json\n(.*?)```", (PROJECT / "docs/doctor.md").read_text(), re.DOTALL)
    assert match is not None
    place = plant(tmp_path, {"etc/cni/net.d/10-pods.conflist": match[1]})
    section = config_of().cni
    assert reported(judge_files(read_files(section, place), section, place)) == {}


def test_names_are_words_with_dashes_and_occur_once():
    names = [code.name for code in CODES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in names)
    assert all(code.severity in SEVERITIES and code.severity != "unknown" for code in CODES)
    assert all(code.wrong and code.right for code in CODES)


def test_each_code_is_provoked_by_a_test():
    """A test that provokes a code compares with its name and severity."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    provoked = re.compile(r'"([a-z0-9-]+)"(?:: "(error|warning|note)"|\])')
    seen = {match[1] for match in provoked.finditer(tests)}
    assert {code.name for code in CODES} - seen == set()
