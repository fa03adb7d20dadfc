"""The critical path of a request: the pieces that its answer waited for, one after the other.

It is read backwards from the answer. What the answer waited for last is the piece (hop, helper or wait) that ended
last before it; what that piece waited for is the one that ended last before it began, and so on. Between two of them
the daemon itself worked. A piece that ran beside a longer one is not on the path: had it been quicker, the answer would
not have come sooner. Nor is a piece that had not ended when the request was answered.

This knows times, not causes: a piece that ended just before another began counts as its predecessor, even if that one
did not need its result.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cri_shim.ledger.steps import ROWS, mapped
from cri_shim.ledger.unfinished import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cri_shim.ledger.steps import Steps

_SLACK: Final = 2
"""Microseconds by which a piece may seem to end after its successor began: start and duration are rounded apart."""


class Step(Struct, frozen=True):
    """One stretch of the path; times are whole microseconds since the request came in."""

    kind: str
    """``hop``, ``helper``, ``wait``, or ``work`` for the daemon itself."""
    place: int
    """The piece's place in the record's list of its kind; -1 for ``work``."""
    start: int
    duration: int


def critical_path(record: Mapping[str, Any]) -> Steps[list[Step]]:
    """Return the path of an ended request, in order of time; its durations add up to the wall time.

    ``record`` has ``bill``, ``hops``, ``helpers`` and ``waits`` in the form of :mod:`cri_shim.ledger.record_json`.
    """
    steps: list[Step] = []
    reached = _us(record["bill"]["wall_ms"])
    pieces = yield from mapped(lambda piece: piece, _pieces(record))
    pieces.sort(key=lambda one: (-_end(one), one.start))
    yield
    for number, piece in enumerate(pieces, start=1):
        if number % ROWS == 0:
            yield
        if _end(piece) > reached + _SLACK or piece.start >= reached:
            continue
        end = min(_end(piece), reached)
        if end < reached:
            steps.append(Step("work", -1, end, reached - end))
        reached = max(0, piece.start)
        steps.append(Step(piece.kind, piece.place, reached, end - reached))
    if reached:
        steps.append(Step("work", -1, 0, reached))
    return steps[::-1]


def with_critical_path(record: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Return the record with its critical path, and each piece that can be on it with whether it is.

    The path of an active request is empty, because nothing is known of what its answer will have waited for.
    """
    steps = [] if record["running"] else (yield from critical_path(record))
    on_it = {(step.kind, step.place) for step in steps}
    path = yield from mapped(_as_json, steps)
    marked: dict[str, Any] = {}
    for kind in ("hop", "helper", "wait"):
        places = range(len(record[f"{kind}s"]))
        marked[f"{kind}s"] = yield from mapped(partial(_marked, record[f"{kind}s"], kind, on_it), places)
    return record | marked | {"critical_path": path}


def _as_json(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "place": None if step.kind == "work" else step.place,
        "start_ms": step.start / 1000,
        "duration_ms": step.duration / 1000,
    }


def _marked(
    rows: Sequence[Mapping[str, Any]], kind: str, on_it: Collection[tuple[str, int]], place: int
) -> dict[str, Any]:
    return {**rows[place], "critical": (kind, place) in on_it}


def _pieces(record: Mapping[str, Any]) -> Iterable[Step]:
    """Yield every piece that an answer can have waited for."""
    yield from _steps("hop", record["hops"], lambda hop: hop["code"] != UNFINISHED)
    yield from _steps("helper", record["helpers"], lambda helper: helper["exit_code"] is not None)
    yield from _steps("wait", record["waits"], lambda _wait: True)


def _steps(kind: str, rows: Sequence[Mapping[str, Any]], has_ended: Any) -> Iterable[Step]:
    for place, row in enumerate(rows):
        if has_ended(row) and row["duration_ms"] > 0:
            yield Step(kind, place, _us(row["start_ms"]), _us(row["duration_ms"]))


def _end(step: Step) -> int:
    return step.start + step.duration


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)
