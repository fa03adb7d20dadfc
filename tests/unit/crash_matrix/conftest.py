"""Where the matrix leaves its result: pytest prints it in its summary (tests/unit/conftest.py)."""

from __future__ import annotations

import pytest

from tests.unit.crash_matrix.summary import SUMMARY


@pytest.fixture(scope="session")
def matrix_summary(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the end of pytest's output."""
    return request.config.stash.setdefault(SUMMARY, [])
