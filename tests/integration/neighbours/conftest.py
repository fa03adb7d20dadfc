"""One node for all of these tests; each leaves it without pods."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A node."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    async with Lab("bridge") as node:
        yield node
