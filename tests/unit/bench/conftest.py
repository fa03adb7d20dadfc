"""What several tests of the comparison start from."""

from __future__ import annotations

import pytest

from tests.unit.bench.fake_runtime import FakeRuntime


@pytest.fixture
async def runtime(tmp_path):
    """A strict runtime that runs nothing."""
    async with FakeRuntime(tmp_path / "s") as fake:
        yield fake
