"""No circle: neither modules nor rooms import each other, however long the way round is.

import-linter holds the order of the floors (pyproject.toml). This rule holds what it does not: circles inside one
floor, inside one room, and between a room and the rooms in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.import_graph import read_imports
from checks.repository import in_packages, module_name
from checks.rooms import room_graph, room_of
from checks.strong_components import components
from checks.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checks.import_graph import Import
    from checks.repository import Repository


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each step of a circle, at the first import that makes it."""
    places = {module_name(path): path for path in repository.python if in_packages(path)}
    imports = read_imports(repository)
    modules: dict[str, set[str]] = {module: set() for module in places}
    for each in imports:
        modules[each.importer].add(each.imported)
    return [
        *_closing(imports, "modules", modules, lambda module: module),
        *_closing(imports, "rooms", room_graph(imports, places), lambda module: room_of(places[module])),
    ]


def _closing(
    imports: list[Import], kind: str, graph: dict[str, set[str]], node_of: Callable[[str], str]
) -> Iterator[Violation]:
    for circle in (group for group in components(graph) if len(group) > 1):
        reported = set()
        for each in imports:
            step = node_of(each.importer), node_of(each.imported)
            if step[0] != step[1] and step not in reported and circle.count(step[0]) and circle.count(step[1]):
                reported.add(step)
                text = f"{step[0]} imports {step[1]}, which is part of a circle of {kind} ({', '.join(circle)})"
                yield Violation(each.path, each.line, f"{text}: move what both need below them")
