"""Write requests in the Trace Event Format, which Perfetto's page and chrome://tracing open.

Both draw one row for each thread, and require that the slices of a row nest. Pieces of a request overlap freely, so
each kind has as many rows (lanes) as it needs. Perfetto knows a thread by its ``tid`` alone, draws the rows by their
order there, and does not read the format's sort indexes; chrome://tracing does. So rows are numbered through, and their
names begin with the kind. Times are whole microseconds since the first of the requests came in, because both programs
keep times as floating-point numbers on their way.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cri_shim.ledger.unfinished import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LANES: Final = {
    "request": "CRI request",
    "stage": "own work: stages",
    "queue": "own queue",
    "hop": "containerd: hops",
    "helper": "CNI plugins",
    "world": "waiting for the world",
}
"""The kinds of slices, in the order of their rows."""
_PROCESS: Final = 1
_PATH: Final = "the answer waited for this"


class _Slice(Struct):
    kind: str
    name: str
    start: int
    """Microseconds since the first request came in."""
    duration: int
    args: dict[str, Any]
    critical: bool = False
    lane: int = 0

    @property
    def end(self) -> int:
        return self.start + self.duration


def trace_events(records: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    """Return one trace of all ``records`` (``/api/requests/ID``), in the object form of the format."""
    times = _times_of(records)
    first = records[times.index(0)]["started_at"] if records else 0.0
    slices: list[_Slice] = []
    paths: list[list[_Slice]] = []
    for record, at in zip(records, times, strict=True):
        mine = list(_slices_of(record, at))
        paths.append(sorted((one for one in mine if one.critical), key=lambda one: one.start))
        slices += mine
    events = _metadata(title, _to_lanes(slices))
    events += [_complete(one) for one in slices]
    number = count(1)
    for path in paths:
        for earlier, later in pairwise(path):
            events += _arrow(next(number), earlier, later)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "producer": "cri-shim",
            "zero": datetime.fromtimestamp(first, UTC).isoformat(),
            "requests": [record["id"] for record in records],
        },
    }


def _times_of(records: Sequence[dict[str, Any]]) -> list[int]:
    """Return when each request came in, in microseconds since the first one did.

    The daemon's own clock says so, because the clock of the node may be set back between two requests; daemons of
    earlier releases, and their recordings, have only that one.
    """
    clocks = [record.get("clock_ms") for record in records]
    known = [clock for clock in clocks if clock is not None]
    if len(known) == len(clocks):
        times = [clock * 1000 for clock in known]
    else:
        times = [record["started_at"] * 1e6 for record in records]
    first = min(times, default=0.0)
    return [round(time - first) for time in times]


def _slices_of(record: dict[str, Any], at: int) -> Iterator[_Slice]:
    bill = record["bill"]
    request = {"request": record["id"]}
    yield _Slice(
        "request",
        f"{record['method']} {record['id']}",
        at,
        _us(bill["wall_ms"]),
        {**request, **record["subject"], "code": record["code"] or "running", "error": record["error"], "bill": bill},
    )
    for hop in record["hops"]:
        yield _piece("hop", hop["method"].rsplit(".", 1)[-1], hop, at, request | _of_hop(hop))
    for helper in record["helpers"]:
        ended = helper["exit_code"]
        about = {"exit_code": UNFINISHED if ended is None else ended}
        yield _piece("helper", f"{helper['name']} {helper['command']}", helper, at, request | about)
    for stage in record["stages"]:
        yield _piece("stage", stage["name"], stage, at, request)
    for wait in record["waits"]:
        yield _piece("queue" if wait["part"] == "queue" else "world", wait["name"], wait, at, request)


def _of_hop(hop: dict[str, Any]) -> dict[str, Any]:
    known = hop["bytes_known"]
    shares = ("daemon_ms", "transport_ms", "transport_error_ms") if hop["split"] != "none" else ()
    return {
        "method": hop["method"],
        "code": hop["code"],
        "attempts": hop["attempts"],
        "bytes_out": hop["bytes_out"] if known else "unknown",
        "bytes_in": hop["bytes_in"] if known else "unknown",
        "split": hop["split"],
        **{name: hop[name] for name in shares},
    }


def _piece(kind: str, name: str, piece: dict[str, Any], at: int, args: dict[str, Any]) -> _Slice:
    critical = piece.get("critical", False)  # a stage is never on the critical path
    about = {"purpose": piece["purpose"], **args, "critical": critical}
    return _Slice(kind, name, at + _us(piece["start_ms"]), _us(piece["duration_ms"]), about, critical)


def _to_lanes(slices: list[_Slice]) -> list[tuple[int, str]]:
    """Give each slice a row of its kind in which it overlaps no other, and return the rows with their names."""
    by_kind: defaultdict[str, list[_Slice]] = defaultdict(list)
    for one in slices:
        by_kind[one.kind].append(one)
    rows: list[tuple[int, str]] = []
    for kind, name in _LANES.items():
        first = len(rows) + 1
        count = _lay_out(by_kind[kind], first)
        rows += [(first + lane, name if not lane else f"{name} ({lane + 1})") for lane in range(count)]
    return rows


def _lay_out(slices: list[_Slice], first: int) -> int:
    """Give each slice the first row in which it overlaps no other, counted from ``first``; return how many rows."""
    count = 0
    free: list[int] = []
    taken: list[tuple[int, int]] = []
    """Heaps: the rows in which nothing is under way, and of the others when they become free, and which they are."""
    for one in sorted(slices, key=lambda one: (one.start, -one.duration)):
        while taken and taken[0][0] <= one.start:
            heappush(free, heappop(taken)[1])
        if not free:
            heappush(free, count)
            count += 1
        lane = heappop(free)
        heappush(taken, (max(one.end, one.start + 1), lane))  # two slices of no length are two slices
        one.lane = first + lane
    return count


def _metadata(title: str, rows: list[tuple[int, str]]) -> list[dict[str, Any]]:
    events = [
        _meta("process_name", _PROCESS, {"name": title}),
        _meta("process_sort_index", _PROCESS, {"sort_index": 0}),
    ]
    for lane, name in rows:
        events.append(_meta("thread_name", lane, {"name": name}))
        events.append(_meta("thread_sort_index", lane, {"sort_index": lane}))
    return events


def _meta(name: str, lane: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": _PROCESS, "tid": lane, "ts": 0, "args": args}


def _complete(one: _Slice) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": one.name,
        "cat": f"{one.kind},critical" if one.critical else one.kind,
        "pid": _PROCESS,
        "tid": one.lane,
        "ts": one.start,
        "dur": one.duration,
        "args": one.args,
    }


def _arrow(number: int, earlier: _Slice, later: _Slice) -> list[dict[str, Any]]:
    """Return a flow from the last microsecond of one slice to the start of the next on the critical path."""
    flow = {"name": _PATH, "cat": "critical", "id": number, "pid": _PROCESS}
    leaves = max(earlier.start, earlier.end - 1)
    return [
        {**flow, "ph": "s", "tid": earlier.lane, "ts": leaves},
        {**flow, "ph": "f", "bp": "e", "tid": later.lane, "ts": max(later.start, leaves)},
    ]


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)
