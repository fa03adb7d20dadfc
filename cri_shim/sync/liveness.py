"""Notice that containerd holds its connections and answers nothing: it is stopped, or starved of CPU time or memory.

Its event stream stays open then, and is as silent as on a quiet node. So Status needs a recent answer of containerd:
that of any call will do, and only if there is none, containerd is asked for its version (docs/adr/0047). Requests are
not refused meanwhile: lists come from memory, and calls to containerd have time limits.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ClientClosed, ContainerdError, call_options, detached_options

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.sync.readiness import Readiness

RECENT_SECONDS: Final = 0.5
"""How old containerd's last answer may be before it is asked for another."""
PATIENCE_SECONDS: Final = 3.0
"""How long the answer may take before containerd counts as silent."""
SLOW_SECONDS: Final = 1.0
"""How long calls must have taken to be a reason for doubt."""
ASK_SECONDS: Final = 10.0
"""The time limit of one such call; the next one follows at once."""
_PAUSE: Final = 0.5

SILENT: Final = (
    f"containerd holds its connections, but has not answered a call for {PATIENCE_SECONDS:g} s; pods keep running; "
    "see whether its process is stopped or the node is out of memory"
)

log = structlog.get_logger(__name__)


class Liveness:
    """Whether containerd answers; ``readiness`` keeps the result."""

    def __init__(self, containerd: Containerd, readiness: Readiness) -> None:
        self._containerd = containerd
        self._readiness = readiness
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0

    async def silence(self) -> str:
        """Return why containerd counts as silent; empty if it has answered lately. Never raises.

        This takes :data:`PATIENCE_SECONDS` at most, and no time if any call was answered lately or none has been for
        long.
        """
        if perf_counter() - self._containerd.heard_at > RECENT_SECONDS:
            await self._wait_for_answer(perf_counter())
        else:
            self._note("")
        return self._readiness.silence

    async def silence_since(self, called_at: float) -> str:
        """Return the same after calls that were begun at ``called_at`` and may not have been answered.

        Their time counts as time that containerd had for its answer.
        """
        if perf_counter() - called_at > SLOW_SECONDS and self._containerd.heard_at < called_at:
            await self._wait_for_answer(called_at)
        return self._readiness.silence

    async def _wait_for_answer(self, called_at: float) -> None:
        if self._asking is None:
            self._asked_at = called_at
            self._asking = asyncio.create_task(self._ask())
        left = self._asked_at + PATIENCE_SECONDS - perf_counter()
        if left > 0:
            await asyncio.wait([self._asking], timeout=left)
        self._note(SILENT if self._containerd.heard_at < self._asked_at else "")

    async def _ask(self) -> None:
        """Ask until any call is answered, so that the end of the silence is noticed at once."""
        try:
            while self._containerd.heard_at < self._asked_at:
                try:
                    with detached_options(), call_options(timeout=ASK_SECONDS):
                        await self._containerd.version.get()
                except ClientClosed:
                    return
                except ContainerdError:
                    await asyncio.sleep(_PAUSE)  # the connection may be broken, and is made anew meanwhile
            self._note("")
        finally:
            self._asking = None

    def _note(self, reason: str) -> None:
        if reason and not self._readiness.silence:
            log.warning("containerd.silent", waited_seconds=PATIENCE_SECONDS)
        elif self._readiness.silence and not reason:
            log.info("containerd.answers")
        if reason != self._readiness.silence:
            self._readiness.set_silence(reason)
