"""No folder holds more than 30 Python files: a larger one is more than one room."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository

MOST = 30
# One file for each RPC: their number is the protocol's, and their names are its table of contents.
ONE_FILE_AN_RPC = "cri_shim/rpc"


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each folder with too many Python files."""
    sizes = Counter(path.rpartition("/")[0] for path in repository.python)
    return [
        Violation(folder, 1, f"{size} Python files, {MOST} at most: make folders in it")
        for folder, size in sorted(sizes.items())
        if size > MOST and folder != ONE_FILE_AN_RPC
    ]
