"""Each room says in its ``__init__`` what it is for, what it may import, and what it must never do.

The docstring has a summary line, as much prose as it needs, and two paragraphs that begin with ``May import:`` and
``Must never:``. Where the first of them names rooms, in double backticks, it names all that the room imports.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.import_graph import read_imports
from checks.rooms import HOUSE, rooms
from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository

MAY_IMPORT = "May import:"
MUST_NEVER = "Must never:"
_NAMED = re.compile(r"``([^`]+)``")


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
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return Purpose(paragraphs[0], _after(paragraphs, MAY_IMPORT), _after(paragraphs, MUST_NEVER))


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each room that does not say what it is for, and for each import it does not name."""
    imported: dict[str, set[str]] = {}
    for each in read_imports(repository):
        imported.setdefault(each.path.rpartition("/")[0], set()).add(_short_room(repository, each.imported))
    violations = []
    for room in rooms(repository):
        path = f"{room}/__init__.py"
        purpose = read_purpose(repository, room)
        for text, what in (
            (purpose.summary, "summary line"),
            (purpose.may_import, f"paragraph {MAY_IMPORT!r}"),
            (purpose.must_never, f"paragraph {MUST_NEVER!r}"),
        ):
            if not text:
                violations.append(Violation(path, 1, f"the docstring of the room has no {what}: add it"))
        named = set(_NAMED.findall(purpose.may_import))
        if named:
            own = room.removeprefix(f"{HOUSE}/")
            missing = {other for other in imported.get(room, ()) if not _covered(other, {*named, own})}
            violations.extend(
                Violation(path, 1, f"the room imports {other}, which its docstring does not name: name it, or end that")
                for other in sorted(missing)
            )
    return violations


def _short_room(repository: Repository, module: str) -> str:
    """Return the room of a module as docstrings name it: its folder below ``cri_shim``, or a loose file there."""
    folder = module.replace(".", "/")
    if f"{folder}/__init__.py" not in repository.python:
        parent = folder.rpartition("/")[0]
        folder = folder if parent == HOUSE else parent
    return folder.removeprefix(f"{HOUSE}/")


def _covered(room: str, named: set[str]) -> bool:
    """Return whether a room, or one that it lies in, is among those that are named."""
    return any(room == name or room.startswith(f"{name}/") for name in named) or room == HOUSE


def _after(paragraphs: list[str], start: str) -> str:
    return next((text.removeprefix(start).strip() for text in paragraphs if text.startswith(start)), "")
