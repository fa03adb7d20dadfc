"""docs/logs.md is an interface: it lists every event that the code logs, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
METHODS = {"debug", "info", "warning", "error", "exception", "log"}
EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
CHOSEN_AT_RUN_TIME = {"rpc.ok", "rpc.failed"}


def logged() -> set[str]:
    """First (or, for ``log``, second) arguments of calls of a logger's methods."""
    events = set(CHOSEN_AT_RUN_TIME)
    for file in (ROOT / "cri_shim").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                words = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
                events |= {word for word in words if isinstance(word, str) and EVENT.fullmatch(word)}
    return events


def test_every_event_is_documented():
    """Nothing is missing, and nothing is left that has gone."""
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/logs.md").read_text(), re.MULTILINE))
    assert documented == logged()
