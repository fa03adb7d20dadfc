"""Waiting for what goes on in the background."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; raises TimeoutError after ten seconds, which is long for a busy machine too."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
