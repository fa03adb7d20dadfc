"""A checkout of a few files, for one rule to judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from checks.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

MakeRepository = Callable[[dict[str, str]], Repository]


@pytest.fixture
def checkout(tmp_path: Path) -> MakeRepository:
    """Write files, and return the repository that they are."""

    def write(files: dict[str, str]) -> Repository:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Repository(tmp_path)

    return write
