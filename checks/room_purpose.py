"""Each room says in its ``__init__`` what it is for, what it may import, and what it must never do.

The docstring has a summary line, as much prose as the room needs, a sentence with "may import", and one with "never".
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.rooms import rooms
from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository

_MAY_IMPORT = re.compile(r"\bmay import\b")
_NEVER = re.compile(r"\bnever\b")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`:])|;\s+")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a room says of itself; an empty text is one that is missing."""

    summary: str
    may_import: str
    must_never: str


def read_purpose(repository: Repository, room: str) -> Purpose:
    """Read the docstring of the room in a folder."""
    path = f"{room}/__init__.py"
    text = (ast.get_docstring(repository.tree(path)) or "") if path in repository.python else ""
    summary, _, prose = text.partition("\n\n")
    sentences = _END_OF_SENTENCE.split(" ".join(prose.split()))
    return Purpose(
        " ".join(summary.split()),
        next(filter(_MAY_IMPORT.search, sentences), ""),
        next(filter(_NEVER.search, sentences), ""),
    )


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each thing that a room does not say."""
    violations = []
    for room in rooms(repository):
        purpose = read_purpose(repository, room)
        for text, what in (
            (purpose.summary, "summary line"),
            (purpose.may_import, "sentence about what it may import"),
            (purpose.must_never, "sentence about what it must never do"),
        ):
            if not text:
                violations.append(Violation(f"{room}/__init__.py", 1, f"the room's docstring has no {what}: add it"))
    return violations
