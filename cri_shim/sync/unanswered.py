"""Show pods and containers as unknown whose tasks could not be polled, with the reason, and poll them again.

Nothing is written or deleted for them, and no exit is recorded. They are polled with growing pauses until containerd
answers, an event brings their exit, or they are removed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.concurrency.pauses import doubling
from cri_shim.sync.task_poll import NotKnown, poll_task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from containerd_client import Containerd
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.task_poll import PolledTask

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0

log = structlog.get_logger(__name__)


class Unanswered:
    """The pods and containers of unknown state because containerd did not answer, and the polls of their tasks."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        supervisor: Supervisor,
    ) -> None:
        self._containerd = containerd
        self._sandboxes = sandboxes
        self._containers = containers
        self._supervisor = supervisor
        self._reasons: dict[str, str] = {}

    def __contains__(self, id_: object) -> bool:
        """Whether the task of ``id_`` is being polled again."""
        return id_ in self._reasons

    def add(self, id_: str, reason: str, then: Callable[[PolledTask], Awaitable[None]]) -> None:
        """Show ``id_`` as unknown and keep polling; ``then`` is called with the first answer."""
        known = id_ in self._reasons
        self._show(id_, f"its task could not be queried: {reason}")
        if not known:
            log.warning("recovery.task_unknown", id=id_, error=reason)
            self._supervisor.once(f"look-again/{id_[:12]}", self._poll_again(id_, then))

    def clear(self, id_: str) -> None:
        """End the doubt about ``id_``, unless it has another reason."""
        reason = self._reasons.get(id_)
        if reason is not None:
            self._replace(id_, reason, "")

    def _show(self, id_: str, reason: str) -> None:
        self._replace(id_, self._reasons.get(id_, ""), reason)
        self._reasons[id_] = reason

    def _replace(self, id_: str, before: str, after: str) -> None:
        """Change the reason that this class has set; a reason from elsewhere stays."""
        self._containers.update(id_, lambda c: c.replace(unknown_reason=after) if c.unknown_reason == before else c)
        self._sandboxes.update(id_, lambda s: s.replace(unknown_reason=after) if s.unknown_reason == before else s)

    async def _poll_again(self, id_: str, then: Callable[[PolledTask], Awaitable[None]]) -> None:
        try:
            polled = await self._first_answer(id_)
        finally:
            # Before ``then``, which may take seconds: a doubt that comes back meanwhile is polled for anew.
            self.clear(id_)
            self._reasons.pop(id_, None)
        if polled is not None:
            log.info("recovery.task_answered", id=id_)
            await then(polled)

    async def _first_answer(self, id_: str) -> PolledTask | None:
        """Poll the task until containerd answers; None when ``id_`` is not in doubt any more before that."""
        pauses = doubling(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            await asyncio.sleep(next(pauses))
            if not self._in_doubt(id_):
                return None
            polled = await poll_task(self._containerd, id_)
            if not self._in_doubt(id_):
                return None
            if not isinstance(polled, NotKnown):
                return polled
            self._show(id_, f"its task could not be queried: {polled.reason}")

    def _in_doubt(self, id_: str) -> bool:
        container = self._containers.exact(id_)
        if container is not None:
            return bool(container.unknown_reason)
        sandbox = self._sandboxes.exact(id_)
        return sandbox is not None and bool(sandbox.unknown_reason) and not sandbox.exited_at
