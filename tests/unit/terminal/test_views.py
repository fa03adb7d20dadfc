"""The ledger in characters: bars where things happened, columns that line up, sentences for hops."""

from __future__ import annotations

import argparse
import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.config import Config
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.terminal.bill import bill_lines
from cri_shim.terminal.commands import hops, run_command
from cri_shim.terminal.durations import ms, size
from cri_shim.terminal.explain import explained
from cri_shim.terminal.fetch import Explorer, UnreachableError
from cri_shim.terminal.fit import columns
from cri_shim.terminal.table import methods_table, outcome, request_line
from cri_shim.terminal.waterfall import draw, waterfall
from tests.unit.terminal.records import BILL, HELPER, NO_OPTIONS, RECORD, hop


@given(st.floats(0, 200), st.floats(0, 200), st.floats(0, 200), st.integers(20, 200))
def test_a_bar_stays_on_its_axis_and_is_never_invisible(start, duration, wall, axis):
    """However short or late, a bar has at least one mark and the line has the axis' width."""
    bar = draw(start, duration, wall, axis, "#")
    assert len(bar) == axis
    assert "#" in bar


def test_a_bar_stands_where_and_as_long_as_it_happened():
    """The second half of the wall time is the second half of the axis."""
    assert draw(50, 50, 100, 40, "#") == " " * 20 + "#" * 20
    assert draw(0, 25, 100, 40, "#") == "#" * 10 + " " * 30


def test_a_waterfall_has_a_line_for_each_thing_in_order_of_start():
    """Hops, helpers and waits, with what is unusual said in words, and the bill below."""
    lines = waterfall(RECORD, width=100, plain=True).splitlines()
    names = ["Containers/Create", "queue: lock", "wait: exit", "Tasks/Create", "bridge ADD"]
    shown = [next(number for number, line in enumerate(lines) if line.startswith(name)) for name in names]
    assert shown == sorted(shown)
    assert "2 attempts" in lines[shown[3]]
    assert "~" in lines[shown[1]]
    assert "." in lines[shown[2]].split("4.00", 1)[1]
    assert "1.2 kB out, 8 B in" in lines[shown[0]]
    assert any(line.startswith("the hop cost 25.0 ms (±0.500): ") for line in lines)


def test_the_bill_in_sentences():
    """What adds up to the wall time, the own queue apart, and the price with how each part of it is known."""
    assert bill_lines(RECORD) == [
        "wall 100.0 ms = transport 5.00 + own work 19.0 + own queue 1.00 + waiting for the world 75.0",
        (
            "2 hops: one or more in flight for 60.0 ms; one by one 70.0, of which containerd 65.0 and transport 5.00 "
            "(estimate)"
        ),
        "1 helper: one or more ran for 30.0 ms",
        "own work: 12.0 ms of CPU, 7.00 ms of waiting for the event loop or a core (measured)",
        "waited 1.00 ms in the daemon's own queue (lock), which is not part of the price",
        (
            "the hop cost 25.0 ms (±0.500): front hop 1.00 (estimate, ±0.200), transport 5.00 (estimate, ±0.300), "
            "own work 19.0 (measured)"
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"split": "spans", "price_error_ms": 0.0, "transport_error_ms": 0.0},
            "25.0 ms: front hop 1.00 (estimate, ±0.200), transport 5.00 (measured)",
        ),
        ({"split": "mixed"}, "transport 5.00 (partly estimate, ±0.300)"),
        ({"front_known": "measured"}, "front hop 1.00 (measured, the way out an estimate, ±0.200)"),
        ({"front_known": "none"}, "(±0.500) without the front hop, not known yet: transport"),
        ({"split": "none", "front_known": "none"}, "without the front hop and transport, not known yet: own work"),
    ],
)
def test_each_part_of_the_price_says_how_it_is_known(changes, said):
    """Measured, estimated or not at all; what is not known is not shown as 0."""
    assert said in bill_lines({**RECORD, "bill": BILL | changes})[-1]


def test_a_request_that_runs_has_no_bill_yet():
    """Its parts would all be 0."""
    assert bill_lines({**RECORD, "running": True}) == [
        "runs for 100.0 ms; the bill is complete when it has been answered"
    ]


def test_an_explanation_says_what_runs_beside_what():
    """Numbered hops with their purposes; what overlaps the one above is marked."""
    text = explained(RECORD, width=120)
    assert "1   Containers/Create" in text
    assert "3 + bridge ADD" in text
    assert "one on a bridge of the node" in text
    assert "answered from memory" in explained({**RECORD, "hops": [], "helpers": []}, width=80)


def test_columns_line_up():
    """The first to the left, the numbers to the right, no blanks at the ends."""
    assert columns(("a", "n"), [("long", "1"), ("b", "1234")]) == "a        n\nlong     1\nb     1234"


def test_the_table_begins_with_what_costs_most():
    """Count times median decides: many quick ones may cost more than few slow ones."""
    shares = ("transport_share", "work_share", "queue_share", "world_share")
    times = ("p95_ms", "p99_ms", "max_ms", "front_p50_ms", "price_p50_ms", "price_error_p50_ms")
    one = dict.fromkeys((*times, *shares), 0.5) | {"split": "estimate", "front_known": "none"}
    many = {"method": "ListContainers", "count": 1000, "errors": 0, "p50_ms": 1.0, "hops_per_request": 0.0, **one}
    few = {"method": "RunPodSandbox", "count": 2, "errors": 1, "p50_ms": 100.0, "hops_per_request": 7.0, **one}
    lines = methods_table([few, many]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["ListContainers", "RunPodSandbox"]
    assert lines[1].split()[-3:] == ["-", "≥0.500", "0.500"]
    known = methods_table([many | {"split": "spans", "front_known": "estimate"}]).splitlines()[1]
    assert known.split()[-3:] == ["~0.500", "~0.500", "0.500"]


def test_a_request_without_an_error_has_no_colon_for_one():
    """It runs, or its client has gone."""
    assert outcome({**RECORD, "code": "", "error": "", "running": True}) == "running"
    assert outcome({**RECORD, "code": "CANCELLED", "error": "", "running": False}) == "CANCELLED"


def test_a_plugin_that_outlived_its_request_is_marked():
    """It has no exit code."""
    assert UNFINISHED in waterfall({**RECORD, "helpers": [{**HELPER, "exit_code": None}]}, width=80)


def test_a_hop_that_outlived_its_request_is_explained():
    """Its bytes are not known, and the answer did not wait for it."""
    hops = [hop("tasks.v1.Tasks/Start", 60.0, 40.0, code=UNFINISHED, bytes_out=0, bytes_in=0)]
    lines = waterfall({**RECORD, "hops": hops}, width=200).splitlines()
    (row,) = [line for line in lines if line.startswith("Tasks/Start")]
    assert row.endswith(f"  {UNFINISHED}")
    assert " B " not in row
    assert f"{UNFINISHED}: still in flight when the request was answered, which did not wait for it" in lines


def test_what_the_answer_waited_for_is_marked():
    """The CNI plugin ran beside a hop that took longer, so it is not on the path."""
    lines = waterfall(RECORD, width=200, plain=True).splitlines()
    rows = [line.partition(" *") for line in lines if re.match(r"\S.* \*? *[0-9.]+  ", line)]
    marked = [name.strip() for name, mark, _ in rows if mark]
    assert marked == ["Containers/Create", "queue: lock", "wait: exit", "Tasks/Create"]
    assert any("bridge ADD" in name for name, mark, _ in rows if not mark)
    assert (
        "* the answer waited for these, one after the other: Containers/Create 20.0, lock 1.00, exit 4.00, "
        "Tasks/Create 50.0; between them the daemon itself 25.0"
    ) in lines


def test_a_failed_request_says_why_in_its_line():
    """Code and error follow the figures."""
    line = request_line({**RECORD, "code": "NOT_FOUND", "error": "sandbox 'x' is not known"})
    assert line.endswith("NOT_FOUND: sandbox 'x' is not known")
    assert "name=web" in line
    assert re.search(r"world +75.0  queue +1.00  price ~25.0 ±0.500", line)


@pytest.mark.parametrize(("value", "text"), [(0.0421, "0.042"), (1.25, "1.25"), (104.94, "104.9"), (12345.6, "12346")])
def test_durations_have_three_digits_or_so(value, text):
    """Enough to compare, no more."""
    assert ms(value) == text


@pytest.mark.parametrize(("value", "text"), [(812, "812 B"), (1234, "1.2 kB"), (3_400_000, "3.4 MB")])
def test_sizes_have_units(value, text):
    """Decimal ones."""
    assert size(value) == text


def test_names_that_the_terminal_cannot_show_are_escaped(monkeypatch):
    """They come from images and plugins; a terminal of Latin-1 is no reason to fail."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))

    def command(_options, _explorer):
        print("image \u88c5\u7f6e")
        return 0

    assert run_command(command, argparse.Namespace(address="/nowhere"), Config()) == 0
    sys.stdout.flush()
    assert written.getvalue() == b"image \\u88c5\\u7f6e\n"


def shown(monkeypatch, capsys, record):
    """Return the exit code of ``cri-shim hops show 7`` for an answer, and what it prints."""
    monkeypatch.setattr(Explorer, "get", lambda _self, _path: record)
    options = argparse.Namespace(
        address="h:1", what=["show", "7"], follow=False, json=False, output="text", **NO_OPTIONS
    )
    return run_command(hops, options, Config()), capsys.readouterr()


@pytest.mark.parametrize("changes", [{"started_at": 1e17}, {"started_at": 1e300}, {"hops": [hop("a", -1e300, 1.0)]}])
def test_numbers_that_cannot_be_drawn(monkeypatch, capsys, changes):
    """Whatever answers at the address, there is one sentence and no traceback."""
    code, said = shown(monkeypatch, capsys, RECORD | changes)
    assert (code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith("what answers at h:1 is not cri-shim")


def test_a_name_cannot_steer_the_terminal(monkeypatch, capsys):
    """A CNI plugin's name may hold any byte."""
    helper = {"command": "ADD", "start_ms": 55.0, "duration_ms": 30.0, "exit_code": 0, "name": "br\x1b[2Jidge\u202e"}
    code, said = shown(monkeypatch, capsys, RECORD | {"helpers": [helper]})
    assert code == 0
    assert "br\\x1b[2Jidge\\u202e" in said.out


def test_a_terminal_of_any_width(monkeypatch, capsys):
    """COLUMNS may be any number, and a line of that length need not fit into memory."""
    monkeypatch.setenv("COLUMNS", "99999999999")
    code, said = shown(monkeypatch, capsys, RECORD)
    assert code == 0
    assert max(map(len, said.out.splitlines())) <= 1000


def test_a_method_that_is_not_text(monkeypatch, capsys):
    """It is asked for as it was typed; it is not taken for a wrong answer."""
    asked = []

    def answer(_self, _connection, path):
        asked.append(path)
        raise UnreachableError("no answer")

    monkeypatch.setattr(Explorer, "_answer", answer)
    options = argparse.Namespace(
        address="h:1", what=["slowest", "a\udcff"], follow=False, json=False, output="text", **NO_OPTIONS
    )
    assert run_command(hops, options, Config()) == 1
    assert asked == ["/api/requests?slowest=1&method=a%FF"]
    assert capsys.readouterr().err == "no answer\n"
