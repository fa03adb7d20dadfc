"""One node for these tests: a daemon in front of a private containerd, as any lab."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A healthy node; a test that breaks it mends it."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    async with Lab("bridge") as lab:
        yield lab
