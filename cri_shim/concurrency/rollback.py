"""Undo what a request has acquired so far, in reverse order, when the request fails.

A step is pushed *before* an acquisition that can half-succeed (a CNI ADD that fails may have taken an address), and
right after one that either happened or did not. The undo has a budget of its own, because the request's time is usually
what ran out (the fault of cri-containerd 1.0, which ran the undo on the request's context).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

BUDGET = 60.0
"""Seconds that all undo steps of one request have together."""

log = structlog.get_logger(__name__)


class Rollback:
    """A stack of named undo steps; leaving its ``async with`` by an exception runs them, last pushed first.

    A step that fails ends the undo, because what was acquired earlier may still be in use by what could not be undone.
    Then ``on_incomplete`` is called with a sentence, so that the object stays listed and its owner can remove it later.
    """

    def __init__(self, subject: str, *, on_incomplete: Callable[[str], None], budget: float = BUDGET) -> None:
        self._subject = subject
        self._on_incomplete = on_incomplete
        self._budget = budget
        self._steps: list[tuple[str, Callable[[], Awaitable[None]]]] = []

    def push(self, name: str, undo: Callable[[], Awaitable[None]]) -> None:
        """Add the undo of an acquisition; ``name`` reads like "tear down the pod network"."""
        self._steps.append((name, undo))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        deadline = asyncio.get_running_loop().time() + self._budget
        while self._steps:
            name, undo = self._steps.pop()
            try:
                async with asyncio.timeout_at(deadline):
                    await undo()
            except Exception as failure:  # noqa: BLE001 - after any failure the object must stay listed
                log.error("rollback.incomplete", subject=self._subject, step=name, error=str(failure) or repr(failure))
                self._on_incomplete(f"{name}: {failure or repr(failure)}")
                return
            log.debug("rollback.step", subject=self._subject, step=name)
