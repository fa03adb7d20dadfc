"""Rooms: the folders of the packages, and how they import each other.

A room is a folder; a folder inside it is a room of its own. A file that lies loose in the top folder of ``cri_shim``
belongs to no room, so it counts as one: those files stand on different floors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checks.import_graph import Import
    from checks.repository import Repository

HOUSE = "cri_shim"


def room_of(path: str) -> str:
    """Return the dotted name of the room that a file lies in."""
    folder = path.rpartition("/")[0]
    if folder == HOUSE and not path.endswith("/__init__.py"):
        return path.removesuffix(".py").replace("/", ".")
    return folder.replace("/", ".")


def rooms(repository: Repository) -> list[str]:
    """Return the paths of all folders below ``cri_shim`` that hold Python files."""
    folders = {path.rpartition("/")[0] for path in repository.python}
    return sorted(folder for folder in folders if folder.startswith(f"{HOUSE}/"))


def room_graph(imports: Iterable[Import], places: dict[str, str]) -> dict[str, set[str]]:
    """Return which room imports which; ``places`` has the file of every module."""
    graph: dict[str, set[str]] = {room_of(path): set() for path in places.values()}
    for each in imports:
        importer, imported = room_of(each.path), room_of(places[each.imported])
        if importer != imported:
            graph[importer].add(imported)
    return graph
