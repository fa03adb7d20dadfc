"""On which floor of the house each room stands, computed from the import graph.

A room stands one floor above the highest room that it imports, so every import leads down. A folder and the folders in
it are one room here; a file in the top folder of ``cri_shim`` is a small room of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.import_graph import read_imports
from checks.repository import module_name
from checks.rooms import HOUSE
from checks.strong_components import components

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from checks.repository import Repository

# What the daemon is made of. The lab and the checks stand beside the house.
PACKAGES = (HOUSE, "containerd_client", "untrusted")


@dataclass(frozen=True, slots=True)
class Room:
    """A box of the picture."""

    name: str
    """Its path below ``cri_shim``, without an extension; a package beside it has its own name."""
    folder: bool
    inner: tuple[str, ...]
    """The names of the folders in it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rooms by floors, from the ground up, and the imports that no longer way round explains."""

    floors: tuple[tuple[Room, ...], ...]
    stairs: tuple[tuple[str, str], ...]


def read_plan(repository: Repository) -> Plan:
    """Compute the plan of the house. Raises :class:`ValueError` when rooms import each other in a circle."""
    paths = [path for path in repository.python if path.split("/")[0] in PACKAGES and path != f"{HOUSE}/__init__.py"]
    place = {module_name(path): _room_name(path) for path in paths}
    imports = {name: set[str]() for name in place.values()}
    for each in read_imports(repository):
        if each.importer in place and each.imported in place and place[each.importer] != place[each.imported]:
            imports[place[each.importer]].add(place[each.imported])
    height = _heights(imports)
    rooms = [_room(name, paths) for name in sorted(imports)]
    floors = [tuple(room for room in rooms if height[room.name] == floor) for floor in range(max(height.values()) + 1)]
    return Plan(tuple(floors), tuple(_stairs(imports)))


def _room_name(path: str) -> str:
    package, inside = path.split("/", 1)
    return inside.split("/")[0].removesuffix(".py") if package == HOUSE else package


def _room(name: str, paths: Iterable[str]) -> Room:
    folder = name if name in PACKAGES else f"{HOUSE}/{name}"
    files = [path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")]
    return Room(name, bool(files), tuple(sorted({file.split("/")[0] for file in files if "/" in file})))


def _heights(imports: Mapping[str, AbstractSet[str]]) -> dict[str, int]:
    height: dict[str, int] = {}
    for group in components(imports):
        if len(group) > 1:
            raise ValueError(f"these rooms import each other in a circle: {', '.join(group)}")
        height[group[0]] = 1 + max((height[other] for other in imports[group[0]]), default=-1)
    return height


def _stairs(imports: Mapping[str, AbstractSet[str]]) -> list[tuple[str, str]]:
    """Return the imports that remain when those are left out that follow from others."""
    below: dict[str, set[str]] = {}
    for (name,) in components(imports):
        below[name] = set(imports[name]).union(*(below[other] for other in imports[name]))
    return [
        (name, other)
        for name in sorted(imports)
        for other in sorted(imports[name])
        if not any(other in below[between] for between in imports[name])
    ]
