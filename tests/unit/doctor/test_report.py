"""The report as text, JSON and exit code."""

from __future__ import annotations

import json

import pytest

from cri_shim.doctor.examination import Examination
from cri_shim.doctor.facts.code import Code, Outcome
from cri_shim.doctor.report import Report, as_json, as_text

BAD = Code("bad-thing", "error", "a thing is bad", "things are good")
ODD = Code("odd-thing", "warning", "a thing is odd", "things are even")
SMALL = Code("small-thing", "note", "a thing is small", "things are large")

OUTCOMES: list[Outcome] = [
    SMALL.report("this is small"),
    ODD.unknown("this cannot be seen"),
    BAD.report("this is bad " * 12, "do something about it:", "$ " + "x" * 100),
    Code("fine-thing", "error", "", "all is fine").fine(),
    Code("other-thing", "error", "", "").not_made("that does not answer"),
]


def test_the_worst_comes_first_and_lines_fit_80_columns():
    lines = as_text(Report.of(OUTCOMES), everything=True).splitlines()
    assert lines[0].startswith("error: bad-thing: this is bad")
    assert [line for line in lines if line.startswith(("note:", "unknown:"))] == [
        "note: small-thing: this is small",
        "unknown: odd-thing: this cannot be seen",
    ]
    assert "    do something about it:" in lines
    assert f"    $ {'x' * 100}" in lines, "a command is one line, to be copied"
    assert all(len(line) <= 80 for line in lines if "$ " not in line)
    assert "fine: fine-thing: all is fine" in lines
    assert "not made: other-thing: that does not answer" in lines
    assert lines[-1] == "5 checks: 1 error, 1 note, 1 unknown, 1 fine, 1 not made"


def test_what_is_fine_is_only_counted():
    text = as_text(Report.of(OUTCOMES), everything=False)
    assert "fine-thing" not in text
    assert "other-thing" not in text


def test_ignored_codes_are_left_out_and_counted():
    report = Report.of(OUTCOMES, ["bad-thing"])
    assert report.exit_code() == 0
    assert "bad-thing" not in as_text(report, everything=True)
    assert as_text(report, everything=False).endswith("1 fine, 1 not made, 1 ignored\n")


@pytest.mark.parametrize(
    ("outcome", "code", "strict"),
    [
        (BAD.report("x"), 1, 1),
        (ODD.report("x"), 0, 1),
        (BAD.unknown("x"), 0, 1),
        (SMALL.report("x"), 0, 0),
        (BAD.fine(), 0, 0),
        (BAD.not_made("x"), 0, 0),
    ],
)
def test_exit_codes(outcome, code, strict):
    report = Report.of([outcome])
    assert (report.exit_code(), report.exit_code(strict=True)) == (code, strict)


def test_json():
    document = json.loads(as_json(Report.of(OUTCOMES, ["odd-thing"])))
    assert list(document) == ["findings", "fine", "not_made", "ignored", "counts"]
    assert [each["code"] for each in document["findings"]] == ["bad-thing", "small-thing"]
    assert document["findings"][0]["severity"] == "error"
    assert document["findings"][0]["remedy"][0] == "do something about it:"
    assert document["ignored"] == ["odd-thing"]
    assert document["counts"] == {
        "error": 1, "warning": 0, "note": 1, "unknown": 0, "fine": 1, "not_made": 1, "ignored": 1,
    }  # fmt: skip


def test_names_from_outside_are_cleaned_and_bounded():
    finding = BAD.report("a\nb\x1b[31m" + "x" * 5000, "$ mv 'a\nb'")
    assert finding.what.startswith("a\\nb\\x1b[31m")
    assert len(finding.what) < 1000
    assert finding.remedy == ("$ mv 'a\\nb'",)


def test_codes_that_a_check_does_not_mention_are_fine():
    examination = Examination()
    examination.check([BAD, ODD], lambda: [ODD.report("x")])
    assert {outcome.code: type(outcome).__name__ for outcome in examination.outcomes} == {
        "odd-thing": "Finding",
        "bad-thing": "Fine",
    }


def test_what_cannot_be_read_is_unknown_and_not_fine():
    def fail():
        raise OSError(5, "Input/output error", "/proc/x")

    examination = Examination()
    examination.check([BAD, ODD], fail)
    report = Report.of(examination.outcomes)
    assert [(finding.code, finding.severity) for finding in report.findings] == [("bad-thing", "unknown")]
    assert "/proc/x: input/output error" in report.findings[0].what
    assert [each.code for each in report.not_made] == ["odd-thing"]
