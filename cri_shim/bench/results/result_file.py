"""Keep a run in its file, complete after each round, so that an interrupted run can be resumed.

Resuming is refused where the rounds would not belong together: another machine, another boot, other sides or versions,
or too long after the first round. Figures of different days are two runs, to be compared and never averaged.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

import msgspec

from cri_shim.bench.results.result_check import why_damaged
from cri_shim.bench.results.schema import SCHEMA, Run

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.results.schema import CallingClient, Round, Step

MAX_HOURS = 12
_MEAN_BILLS = 1
"""The schema whose runs have the mean of bills of an older form."""


class ResultError(Exception):
    """A file that cannot be used; the text names it, says why, and what to do."""


def load(path: Path) -> Run:
    """Read a run, also of the schema before this one; raises :class:`ResultError` for any other file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from error
    try:
        document = msgspec.json.decode(content, type=dict[str, Any])
        schema = document.get("schema")
        if schema == _MEAN_BILLS:
            document = _with_mean_bills(document)
        elif schema != SCHEMA:
            known = f"{_MEAN_BILLS} and {SCHEMA}"
            raise ResultError(f"{path}: schema {schema} is not one that this version reads ({known}); measure again")
        run = msgspec.convert(document, type=Run)
    except (msgspec.DecodeError, AttributeError, TypeError) as error:
        raise ResultError(f"{path}: not a result of `cri-shim compare`: {error}") from error
    if why := why_damaged(run):
        raise ResultError(f"{path}: not a whole result of `cri-shim compare`: {why}")
    return run


def _with_mean_bills(document: dict[str, Any]) -> dict[str, Any]:
    """Convert a document of schema 1 by moving its bills to their present name.

    Raises AttributeError or TypeError for a document of another shape.
    """

    def side_run(old: dict[str, Any]) -> dict[str, Any]:
        return {("mean_bills" if name == "bills" else name): value for name, value in old.items()}

    def round_(old: dict[str, Any]) -> dict[str, Any]:
        return old | {"turns": {side: side_run(each) for side, each in old.get("turns", {}).items()}}

    def step(old: dict[str, Any]) -> dict[str, Any]:
        return old | {"rounds": [round_(each) for each in old.get("rounds", [])]}

    return document | {"steps": [step(each) for each in document.get("steps", [])]}


def save(path: Path, run: Run) -> None:
    """Write a run so that a crash leaves the old file or the new one; raises :class:`ResultError`."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        _write(temporary, _with_lines(run))
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error


def try_to_write(path: Path) -> None:
    """Find out before hours of measuring whether the file can be written; raises :class:`ResultError`."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        _write(temporary, b"")
        temporary.unlink()
    except OSError as error:
        raise ResultError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _with_lines(run: Run) -> bytes:
    """Encode a run with one round on each line, for readable diffs."""
    text = msgspec.json.encode(run)
    for mark in (b'{"number":', b'{"scenario":', b'"machine":{', b'"sides":[', b'"parity":', b'"steps":'):
        text = text.replace(mark, b"\n" + mark)
    return text + b"\n"


def resume_objection(old: Run, new: Run, now: float | None = None) -> str:
    """Return why new rounds (as ``new`` describes) must not join those of ``old``; empty when they may."""
    now = time.time() if now is None else now
    if old.schema != new.schema:
        return f"it is of schema {old.schema}, whose bills mean something else"
    for field in dataclasses.fields(old.machine):
        before, after = getattr(old.machine, field.name), getattr(new.machine, field.name)
        if before != after:
            return f"the machine's {field.name} was {before!r} and is {after!r}"
    if _named(old.client) != _named(new.client):
        return f"its calls were made by {_named(old.client)}, and are made by {_named(new.client)} now"
    if [side.name for side in old.sides] != [side.name for side in new.sides]:
        return "it compares other sides"
    for before_side, after_side in zip(old.sides, new.sides, strict=True):
        if before_side.runtime != after_side.runtime:
            return f"{before_side.name} was {before_side.runtime} and is {after_side.runtime}"
        versions = [{process.name: process.version for process in side.processes} for side in (before_side, after_side)]
        if versions[0] != versions[1]:
            return f"the daemons of {before_side.name} were {versions[0]} and are {versions[1]}"
        if before_side.configuration != after_side.configuration:
            return f"the configuration of {before_side.name} has changed"
    first = min((one.started_at for step in old.steps for one in step.rounds), default=now)
    if now - first > MAX_HOURS * 3600:
        return (
            f"its first round is {(now - first) / 3600:.0f} hours old, and numbers of different days are not averaged"
        )
    return ""


def _named(client: CallingClient | None) -> str:
    return f"{client.name} {client.version}".rstrip() if client else "a client that is not named"


def with_round(run: Run, step: Step, finished: Round) -> Run:
    """Return the run with one more round of a step, which may be its first."""
    existing = step_of(run, step)
    if existing is None:
        return dataclasses.replace(run, steps=(*run.steps, dataclasses.replace(step, rounds=(finished,))))
    grown = dataclasses.replace(existing, rounds=(*existing.rounds, finished))
    return dataclasses.replace(run, steps=tuple(grown if each is existing else each for each in run.steps))


def step_of(run: Run, step: Step) -> Step | None:
    """Return a run's record of a step, if it has one; raises :class:`ResultError` when its options differ."""
    for each in run.steps:
        if each.name == step.name:
            if each.options != step.options:
                raise ResultError(f"{step.name} was measured with {each.options}, not {step.options}; use another file")
            return each
    return None
