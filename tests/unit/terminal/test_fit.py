"""Every view of ``cri-shim hops`` and ``explain`` fits into 80 columns, however long names and numbers are."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2
from cri_shim.terminal import commands
from cri_shim.terminal.calibration import calibration_text
from cri_shim.terminal.fit import columns, cut, folded
from tests.unit.terminal.records import BILL, NO_OPTIONS, RECORD, hop

if TYPE_CHECKING:
    from cri_shim.terminal.fetch import Explorer

METHODS = [method.name for api in runtime_pb2.DESCRIPTOR.services_by_name.values() for method in api.methods]
LONGEST = max(METHODS, key=len)
WIDE_BILL: dict[str, Any] = dict.fromkeys(BILL, 1234567.8) | {"split": "mixed", "front_known": "measured"}
ID = "0123456789abcdef" * 4
WIDE_RECORD: dict[str, Any] = RECORD | {
    "id": 1234567,
    "method": LONGEST,
    "subject": {
        "sandbox_id": ID,
        "container_id": ID,
        "image": f"registry.example.com:5000/{'deep/' * 40}x@sha256:{ID}",
    },
    "code": "DEADLINE_EXCEEDED",
    "error": f"cni plugin {'x' * 100} failed (ADD): " + "no more addresses " * 20,
    "trace_id": "f" * 32,
    "bill": WIDE_BILL,
    "hop_count": 1234,
    "helper_count": 1234,
    "hops": [
        hop("sandbox.v1.SandboxController/SandboxStatus", 50.0, 123456.0, attempts=123, code="DEADLINE_EXCEEDED"),
        hop("containers.v1.Containers/Create", 0.0, 20.0),
    ],
    "helpers": [
        {"name": "a-plugin-with-a-very-long-name" * 5, "command": "STATUS", "start_ms": 5.0, "duration_ms": 3e5}
        | {"exit_code": exit_code}
        for exit_code in (None, 255)
    ],
    "waits": [{"name": "a lock of long name " * 5, "start_ms": 20.0, "duration_ms": 1e6, "part": "queue"}],
}
SHARES = dict.fromkeys(("transport_share", "work_share", "queue_share", "world_share"), 1.0)
TIMES = dict.fromkeys(
    ("p50_ms", "p95_ms", "p99_ms", "max_ms", "front_p50_ms", "price_p50_ms", "price_error_p50_ms"), 1234567.8
)
METHOD = {"count": 1234567, "errors": 1234567, "hops_per_request": 1234.5, "split": "mixed", "front_known": "measured"}
POINT = {"gap_ms": 123456.7, "null_call_ms": 1e6, "way_ms": 1e6, "error_ms": 1e6, "samples": 10**6, "age_s": 1e7}
COMPARED: dict[str, Any] = {"pairs": 10**6, "estimate_ms": 1e6, "spans_ms": 1e6, "ratio": 1234.5} | dict.fromkeys(
    ("ratio_p10", "ratio_p90", "sum_ratio", "null_calls_ratio", "null_calls_sum_ratio"), 12345.67
)
ANSWERS: dict[str, Any] = {
    "/api/methods": {"methods": [METHOD | SHARES | TIMES | {"method": name} for name in METHODS]},
    "/api/requests": {"requests": [WIDE_RECORD, RECORD]},
    "/api/requests/1234567": WIDE_RECORD,
    "/api/requests/7": WIDE_RECORD,
    "/api/calibration": {
        "curve": [POINT],
        "front": {"way_in": [POINT], "way_out": [POINT]},
        "load": [{"under_way": 123, "factor": 1234.5, "error": 1234.5, "samples": 10**6, "age_s": 1e7}],
        "bytes": {"us_per_kib": 12345.6, "samples": 10**6},
        "null_calls": 10**7,
        "learned": [
            {"hop": "containerd.services.SandboxController/SandboxStatus", "method": LONGEST, "level": 3, "hops": 10**6}
            | {"ratio": 1234.5, "ratio_error": 1234.5, "daemon_ms": 1e6, "daemon_error_ms": 1e6, "error_ms": 1e6}
        ],
        "agreement": {
            kind: {"methods": [COMPARED | {"method": LONGEST}], "total": COMPARED} for kind in ("requests", "hops")
        },
    },
}


class FakeExplorer:
    """A daemon with the widest answers."""

    def __init__(self, answers: dict[str, Any] = ANSWERS) -> None:
        self.answers = answers

    def get(self, path: str, **_query: str) -> Any:
        return self.answers[path]

    def live(self) -> list[tuple[str, Any]]:
        return [("end", WIDE_RECORD), ("begin", WIDE_RECORD), ("end", RECORD)]


def lines_of(capsys: Any, what: list[str], *, follow: bool = False) -> list[str]:
    options = argparse.Namespace(json=False, output="text", what=what, follow=follow, all=True, **NO_OPTIONS)
    assert commands.hops(options, as_explorer(FakeExplorer())) == 0
    return str(capsys.readouterr().out).splitlines()


def as_explorer(fake: Any) -> Explorer:
    return cast("Explorer", fake)


@pytest.mark.parametrize("columns_", ["80", "100", ""])
@pytest.mark.parametrize("what", [[], ["show", "1234567"], ["slowest"], ["calibrate"], ["--follow"]], ids=str)
def test_each_view_of_hops_fits(capsys: Any, monkeypatch: Any, what: list[str], columns_: str) -> None:
    """Also where the width is not known: then 80 are assumed."""
    monkeypatch.setenv("COLUMNS", columns_)
    lines = lines_of(capsys, [each for each in what if each != "--follow"], follow=what == ["--follow"])
    assert len(lines) > 3
    assert [line for line in lines if len(line) > int(columns_ or 80)] == []


@pytest.mark.parametrize("method", [LONGEST, "", "Nothing" * 40])
def test_explain_fits(capsys: Any, monkeypatch: Any, method: str) -> None:
    """Also its errors."""
    monkeypatch.setenv("COLUMNS", "80")
    commands.explain(argparse.Namespace(method=method), as_explorer(FakeExplorer()))
    said = capsys.readouterr()
    assert [line for line in (said.out + said.err).splitlines() if len(line) > 80] == []


def test_explain_prints_its_list_where_it_says_so(capsys: Any) -> None:
    """An error and the methods that it offers go the same way; without a method, the list is the answer."""
    explain = commands.explain
    assert explain(argparse.Namespace(method="Nothing"), as_explorer(FakeExplorer())) == 1
    said = capsys.readouterr()
    assert said.out == ""
    first, *rest = said.err.splitlines()
    assert first == "no Nothing request is remembered; send one, or explain one of these:"
    assert rest == [f"  {name}" for name in sorted(METHODS)]
    assert explain(argparse.Namespace(method=""), as_explorer(FakeExplorer())) == 0
    said = capsys.readouterr()
    assert (said.out.splitlines(), said.err) == (sorted(METHODS), "")


@pytest.mark.parametrize(
    ("ledger", "why"),
    [
        ({}, "no request has been answered yet"),
        ({"ledger": True}, "no request has been answered yet"),
        ({"ledger": False}, "this daemon keeps no requests: its configuration has [ledger] enabled = false"),
    ],
    ids=["a daemon of the release before", "on", "off"],
)
@pytest.mark.parametrize(("method", "code"), [("", 0), ("Version", 1)])
def test_explain_offers_no_list_that_is_empty(
    capsys: Any, method: str, code: int, ledger: dict[str, bool], why: str
) -> None:
    """Before the first request there is nothing to explain, and never if the ledger is off."""
    empty = FakeExplorer({"/api/methods": {"methods": [], **ledger}})
    assert commands.explain(argparse.Namespace(method=method), as_explorer(empty)) == code
    said = capsys.readouterr()
    assert (said.err if method else said.out) == f"{why}\n"
    assert (said.out if method else said.err) == ""


def test_a_table_that_is_too_wide_becomes_several(capsys: Any) -> None:
    """Each has the first column, and no column is lost."""
    text = columns(("name", "a", "b", "c"), [("x", "1", "2", "3")], width=11)
    assert text == "name  a  b\nx     1  2\n\nname  c\nx     3"
    assert columns(("name", "a"), [("x", "1" * 50)], width=11).count("\n\n") == 0


def test_a_wide_terminal_has_one_table(monkeypatch: Any, capsys: Any) -> None:
    """Splitting it would cost the view of a method as a whole."""
    monkeypatch.setenv("COLUMNS", "300")
    lines = lines_of(capsys, [])
    assert len([line for line in lines if line.startswith("method")]) == 1
    assert calibration_text(ANSWERS["/api/calibration"]).count("method") >= 2


def test_folding_and_cutting() -> None:
    """Short text stays as it is; a word that is too long is broken."""
    assert folded("ab cd", 5) == "ab cd"
    assert folded("ab cd ef", 5) == "ab cd\n  ef"
    assert folded("abcdefgh", 5) == "abcde\n  fgh"
    assert folded("  ab cd", 5, "") == "  ab\n  cd"
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
