"""The ledger in characters: bars where things happened, columns that line up, sentences for hops."""

from __future__ import annotations

import argparse
import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.retry import RETRY
from cri_shim.config import Config
from cri_shim.terminal.commands import told
from cri_shim.terminal.durations import ms, size
from cri_shim.terminal.explain import explained
from cri_shim.terminal.purposes import _ANYWHERE, _IN_REQUEST, helper_purpose, purpose
from cri_shim.terminal.table import columns, methods_table, request_line
from cri_shim.terminal.waterfall import draw, waterfall

BILL = {
    "wall_ms": 100.0,
    "hops_ms": 60.0,
    "hops_sum_ms": 70.0,
    "helpers_ms": 30.0,
    "helpers_sum_ms": 30.0,
    "own_ms": 20.0,
    "transport_ms": 5.0,
    "work_ms": 19.0,
    "work_cpu_ms": 12.0,
    "work_wait_ms": 7.0,
    "queue_ms": 1.0,
    "world_ms": 75.0,
    "front_ms": 1.0,
    "front_error_ms": 0.2,
    "front_known": "estimate",
    "price_ms": 25.0,
    "price_error_ms": 0.5,
    "daemon_sum_ms": 65.0,
    "transport_sum_ms": 5.0,
    "transport_error_ms": 0.3,
    "wait_ms": 0.0,
    "split": "estimate",
}


def hop(method, start, duration, **changes):
    return {
        "method": f"containerd.services.{method}",
        "start_ms": start,
        "duration_ms": duration,
        "bytes_out": 1200,
        "bytes_in": 8,
        "attempts": 1,
        "code": "OK",
        **changes,
    }


RECORD = {
    "id": 7,
    "method": "RunPodSandbox",
    "subject": {"name": "web"},
    "started_at": 1763942400.0,
    "code": "OK",
    "error": "",
    "trace_id": "",
    "bill": BILL,
    "hop_count": 2,
    "helper_count": 1,
    "hops": [hop("tasks.v1.Tasks/Create", 50.0, 50.0, attempts=2), hop("containers.v1.Containers/Create", 0.0, 20.0)],
    "helpers": [{"name": "bridge", "command": "ADD", "start_ms": 55.0, "duration_ms": 30.0, "exit_code": 0}],
    "stages": [],
    "waits": [{"name": "lock", "start_ms": 20.0, "duration_ms": 1.0}],
}


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
    names = ["Containers/Create", "wait: lock", "Tasks/Create", "bridge ADD"]
    shown = [next(number for number, line in enumerate(lines) if line.startswith(name)) for name in names]
    assert shown == sorted(shown)
    assert "2 attempts" in lines[shown[2]]
    assert "1.2 kB out, 8 B in" in lines[shown[0]]
    assert lines[-1] == "the extra hop costs 25.0 ms (±0.500)"
    assert "estimated" in lines[-2]


def test_an_explanation_says_what_runs_beside_what():
    """Numbered hops with their purposes; what overlaps the one above is marked."""
    text = explained(RECORD, width=120)
    assert "1   Containers/Create" in text
    assert "3 + bridge ADD" in text
    assert "attach the pod to its network" in text
    assert "answered from memory" in explained({**RECORD, "hops": [], "helpers": []}, width=80)


def test_columns_line_up():
    """The first to the left, the numbers to the right, no blanks at the ends."""
    assert columns(("a", "n"), [("long", "1"), ("b", "1234")]) == "a        n\nlong     1\nb     1234"


def test_the_table_begins_with_what_costs_most():
    """Count times median decides: many quick ones may cost more than few slow ones."""
    one = dict.fromkeys(("p95_ms", "p99_ms", "max_ms", "hops_share", "helpers_share", "own_share", "price_p50_ms"), 0.5)
    many = {"method": "ListContainers", "count": 1000, "errors": 0, "p50_ms": 1.0, "hops_per_request": 0.0, **one}
    few = {"method": "RunPodSandbox", "count": 2, "errors": 1, "p50_ms": 100.0, "hops_per_request": 7.0, **one}
    lines = methods_table([few, many]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["ListContainers", "RunPodSandbox"]


def test_a_failed_request_says_why_in_its_line():
    """Code and error follow the figures."""
    line = request_line({**RECORD, "code": "NOT_FOUND", "error": "sandbox 'x' is not known"})
    assert line.endswith("NOT_FOUND: sandbox 'x' is not known")
    assert "name=web" in line


@pytest.mark.parametrize(("value", "text"), [(0.0421, "0.042"), (1.25, "1.25"), (104.94, "104.9"), (12345.6, "12346")])
def test_durations_have_three_digits_or_so(value, text):
    """Enough to compare, no more."""
    assert ms(value) == text


@pytest.mark.parametrize(("value", "text"), [(812, "812 B"), (1234, "1.2 kB"), (3_400_000, "3.4 MB")])
def test_sizes_have_units(value, text):
    """Decimal ones."""
    assert size(value) == text


def test_every_described_hop_is_a_call_of_the_client():
    """A purpose for a call that the client does not have would be a typing error."""
    known = {method.rsplit(".", 1)[-1] for method in RETRY}
    assert {hop for _, hop in _IN_REQUEST} | set(_ANYWHERE) <= known
    assert purpose("RunPodSandbox", "Tasks/Create") != purpose("StartContainer", "Tasks/Create")
    assert helper_purpose("ADD")


def test_names_that_the_terminal_cannot_show_are_escaped(monkeypatch):
    """They come from images and plugins; a terminal of Latin-1 is no reason to fail."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))

    def command(_options, _explorer):
        print("image \u88c5\u7f6e")
        return 0

    assert told(command, argparse.Namespace(address="/nowhere"), Config()) == 0
    sys.stdout.flush()
    assert written.getvalue() == b"image \\u88c5\\u7f6e\n"
