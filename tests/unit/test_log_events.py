"""docs/logs.md is an interface: it lists every event that the code logs, and no other."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
METHODS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"}
EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
LOGGER = re.compile(r"(self\.)?_?log(ger)?|structlog\.get_logger\(.*\)")
CHOSEN_AT_RUN_TIME = {"rpc.ok", "rpc.failed"}
CHOOSES = "cri_shim/server/instrument.py"
"""The one file that gives a logger a name which is not written where it is logged."""


def calls(source: str) -> Iterator[tuple[int, str | None]]:
    """The line of each call of a logger's method, and the event that it logs; None if that is no literal."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
            continue
        if LOGGER.fullmatch(ast.unparse(node.func.value)):
            event = node.args[1 if node.func.attr == "log" else 0]
            literal = isinstance(event, ast.Constant) and isinstance(event.value, str)
            yield node.lineno, event.value if literal else None  # type: ignore[attr-defined]


@functools.cache
def logged() -> dict[str, str | None]:
    """The event of each place in the code, by file and line."""
    return {
        f"{file.relative_to(ROOT)}:{line}": event
        for file in sorted((ROOT / "cri_shim").rglob("*.py"))
        for line, event in calls(file.read_text(encoding="utf-8"))
    }


def rows() -> list[str]:
    """The first cell of each row of docs/logs.md, heads and rules left out."""
    cells = re.findall(r"^\| (.+?) \|", (ROOT / "docs/logs.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [cell for cell in cells if cell != "event"]


def test_every_event_has_an_area_and_a_name() -> None:
    """``area.event``, in lower case, and written where it is logged: readers and alerts search for it."""
    wrong = {where: event for where, event in logged().items() if event is None or not EVENT.fullmatch(event)}
    assert [where.partition(":")[0] for where, event in wrong.items() if event is None] == [CHOOSES]
    assert {where: event for where, event in wrong.items() if event is not None} == {}


def test_every_event_is_documented() -> None:
    """Nothing is missing, and nothing is left that has gone."""
    documented = [row.strip("`") for row in rows()]
    assert set(documented) == {event for event in logged().values() if event is not None} | CHOSEN_AT_RUN_TIME
    assert sorted(set(documented)) == sorted(documented)


def test_every_row_is_an_event_in_code() -> None:
    """A row whose first cell is a text would be looked for by nobody."""
    assert [row for row in rows() if not (row.startswith("`") and EVENT.fullmatch(row.strip("`")))] == []


def test_texts_and_names_that_are_put_together_would_be_noticed() -> None:
    """Whatever the logger is called, and by whichever of its methods."""
    source = """
_log.info("cni configuration", networks=[])
self._log.log(20, f"rpc.{name}")
structlog.get_logger(__name__).warning("oom_score.not_set")
math.log(low)
task.exception()
"""
    assert list(calls(source)) == [(2, "cni configuration"), (3, None), (4, "oom_score.not_set")]
