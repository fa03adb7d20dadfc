"""What unit tests of several folders share."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def emptied_by_rm(tmp_path: Path) -> Iterator[None]:
    """Remove what a test has put into ``tmp_path``, also when it fails.

    pytest removes old directories by a function that calls itself for each level, and never gets rid of a deep one.
    """
    yield
    subprocess.run(["rm", "-rf", "--", *tmp_path.iterdir()], check=True)
