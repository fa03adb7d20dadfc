"""Each room and each loose file of ``cri_shim`` has its floor in the layers contract (pyproject.toml).

import-linter says nothing of a module that no layer names, so a room that is new could import whatever it likes.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from checks.rooms import HOUSE
from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository

CONTRACTS = "pyproject.toml"
_NAME = re.compile(r"[\w.]+")


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each room without a floor."""
    text = repository.text(CONTRACTS)
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    floors = {
        name
        for contract in contracts
        if contract["type"] == "layers"
        for layer in contract["layers"]
        for name in _NAME.findall(layer)
    }
    # Containers of a contract are the parents of the names in its layers.
    parents = {parent for contract in contracts for parent in contract.get("containers", ())}
    known = floors | {f"{parent}.{floor}" for parent in parents for floor in floors}
    line = text[: text.index("[tool.importlinter]")].count("\n") + 1
    return [
        Violation(CONTRACTS, line, f"{room} is on no floor of the layers contract: add it there")
        for room in sorted(_rooms(repository))
        if room not in known
    ]


def _rooms(repository: Repository) -> set[str]:
    """Return the dotted names of the folders and files in the top folder of the house, but for its ``__init__``."""
    return {
        f"{HOUSE}.{path.split('/')[1].removesuffix('.py')}"
        for path in repository.python
        if path.startswith(f"{HOUSE}/") and path != f"{HOUSE}/__init__.py"
    }
