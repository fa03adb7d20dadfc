"""Draw one request as a waterfall of characters: what ran when, and beside what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.ledger.older_record import completed
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.terminal.bill import bill_lines
from cri_shim.terminal.durations import ms, size
from cri_shim.terminal.fit import cut, folded
from cri_shim.terminal.names import full_subject
from cri_shim.terminal.table import outcome
from cri_shim.wrapped_text import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST = 1e-6  # milliseconds; a shorter request cannot be drawn to scale
_NARROWEST = 20  # characters of the time axis, however narrow the terminal is
_WIDEST_NAME = 40  # characters of a row's name; longer ones are those of plugins
_NOTE = " " * 4
_ORDER = ("hop", "helper", "stage", "wait", "queue")
_MARKS = {"hop": "█", "helper": "▓", "stage": "─", "wait": "·", "queue": "░"}
_PLAIN_MARKS = {"hop": "#", "helper": "+", "stage": "-", "wait": ".", "queue": "~"}


class Row(Struct, frozen=True):
    """One line of the waterfall; times are in milliseconds since the request came in."""

    kind: str
    """hop, helper, stage, wait (for the world) or queue (a wait for the daemon's own limits and locks)."""
    name: str
    start: float
    duration: float
    note: str = ""
    purpose: str = ""
    critical: bool = False
    """Whether the answer waited for it."""


def rows_of(record: dict[str, Any]) -> list[Row]:
    """Return everything that a record (``/api/requests/ID``) has, in order of start."""
    rows = [_row(hop, "hop", short(hop["method"]), _hop_note(hop)) for hop in record["hops"]]
    rows += [
        _row(helper, "helper", f"{helper['name']} {helper['command']}", _helper_note(helper["exit_code"]))
        for helper in record["helpers"]
    ]
    rows += [_row(stage, "stage", stage["name"]) for stage in record["stages"]]
    rows += [_wait(wait) for wait in record["waits"]]
    return sorted(rows, key=lambda row: (row.start, _ORDER.index(row.kind), row.name))


def _row(piece: dict[str, Any], kind: str, name: str, note: str = "") -> Row:
    return Row(
        kind,
        name,
        piece["start_ms"],
        piece["duration_ms"],
        note,
        piece["purpose"],
        piece.get("critical", False),  # a stage is never on the path
    )


def _helper_note(exit_code: int | None) -> str:
    if exit_code is None:
        return UNFINISHED
    return f"exit {exit_code}" if exit_code else ""


def _wait(wait: dict[str, Any]) -> Row:
    queue = wait["part"] == "queue"
    name = f"{'queue' if queue else 'wait'}: {wait['name']}"
    return _row(wait, "queue" if queue else "wait", name)


def short(method: str) -> str:
    """Return a method without its package: ``Tasks/Create``."""
    return method.rsplit(".", 1)[-1]


def waterfall(record: dict[str, Any], *, width: int, plain: bool = False) -> str:
    """Return the head, the axis, one line for each row, and the bill; ``plain`` keeps to ASCII."""
    record = completed(record)
    rows = rows_of(record)
    wall = max(record["bill"]["wall_ms"], *(row.start + row.duration for row in rows)) if rows else 0.0
    parts = [folded(_head(record), width)]
    if rows:
        parts += ["", *_chart(rows, wall, width, _PLAIN_MARKS if plain else _MARKS)]
    said = [*path_lines(record), *bill_lines(record)]
    return "\n".join([*parts, "", *(folded(line, width) for line in said)])


def path_lines(record: dict[str, Any]) -> list[str]:
    """Return what the marks of the rows mean: the critical path, and what UNFINISHED says."""
    path = [step for step in record["critical_path"] if step["kind"] != "work"]
    lines = []
    if path:
        between = ms(sum(step["duration_ms"] for step in record["critical_path"] if step["kind"] == "work"))
        pieces = ", ".join(f"{_step_name(record, step)} {ms(step['duration_ms'])}" for step in path)
        chain = f"{pieces}; between them the daemon itself {between}"
        lines.append(f"* the answer waited for these, one after the other: {chain}")
    if any(hop["code"] == UNFINISHED for hop in record["hops"]) and not record["running"]:
        lines.append(f"{UNFINISHED}: still in flight when the request was answered, which did not wait for it")
    return lines


def _step_name(record: dict[str, Any], step: dict[str, Any]) -> str:
    piece = record[f"{step['kind']}s"][step["place"]]
    if step["kind"] == "hop":
        return short(piece["method"])
    return f"{piece['name']} {piece['command']}" if step["kind"] == "helper" else str(piece["name"])


def _head(record: dict[str, Any]) -> str:
    try:
        when = datetime.fromtimestamp(record["started_at"]).astimezone()
    except OSError as error:  # the C library has no such year
        raise ValueError(f"started_at is not a time: {error.strerror}") from error
    about = full_subject(record)
    lines = [f"{record['method']} {record['id']}  {outcome(record)}  {when:%Y-%m-%d %H:%M:%S}"]
    if about:
        lines.append(about)
    if record["trace_id"]:
        lines.append(f"trace {record['trace_id']}")
    return "\n".join(lines)


def _chart(rows: Sequence[Row], wall: float, width: int, marks: dict[str, str]) -> list[str]:
    names = min(max(len(row.name) for row in rows), _WIDEST_NAME)
    notes = max(len(row.note) for row in rows)
    beside = width - names - notes - 15 >= _NARROWEST
    axis = max(_NARROWEST, width - names - 15 - (notes if beside else 0))
    end = ms(wall)
    lines = [f"{'':{names}}  {'ms':>8}  0{'':{max(0, axis - 1 - len(end))}}{end}"]
    for row in rows:
        bar = draw(row.start, row.duration, wall, axis, marks[row.kind])
        mark = "*" if row.critical else " "
        line = f"{cut(row.name, names):{names}} {mark}{ms(row.duration):>8}  {bar}"
        lines.append(f"{line}  {row.note}".rstrip() if beside else line.rstrip())
        if row.note and not beside:
            lines += wrapped(row.note, width, first=_NOTE, further=_NOTE, cut_words=True)
    return lines


def draw(start: float, duration: float, wall: float, axis: int, mark: str) -> str:
    """Draw a bar on an axis of ``axis`` characters that stands for ``wall``; every bar gets at least one character."""
    wall = max(wall, start + duration)
    if wall < _SHORTEST:
        return mark.ljust(axis)
    first = min(axis - 1, int(start / wall * axis))
    last = min(axis, max(first + 1, round((start + duration) / wall * axis)))
    return (" " * first + mark * (last - first)).ljust(axis)


def _hop_note(hop: dict[str, Any]) -> str:
    notes = [f"{size(hop['bytes_out'])} out, {size(hop['bytes_in'])} in"] if hop["bytes_known"] else []
    if hop["attempts"] > 1:
        notes.append(f"{hop['attempts']} attempts")
    if hop["code"] != "OK":
        notes.append(hop["code"])
    return ", ".join(notes)
