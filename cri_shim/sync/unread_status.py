"""Retry containers whose status file could not be read: an input/output error, a lack of file descriptors.

The content of the file is not known, so nothing is concluded from the state of the task either: that could overwrite
an exit code in the file. The container is unknown, and the file is read again with growing pauses.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.concurrency.pauses import doubling
from cri_shim.disk.status_file import read_status
from cri_shim.kernel.executors import FS, run
from cri_shim.sync.load import known_status
from cri_shim.sync.task_poll import poll_task

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container, Status
    from cri_shim.state.index import Index
    from cri_shim.sync.task_states import TaskStates

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0

log = structlog.get_logger(__name__)


class UnreadStatus:
    """Reads the status of such containers until it is known, then makes them agree with their tasks."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        paths: Paths,
        containers: Index[Container],
        states: TaskStates,
        supervisor: Supervisor,
    ) -> None:
        self._containerd = containerd
        self._paths = paths
        self._containers = containers
        self._states = states
        self._supervisor = supervisor

    def add(self, container: Container) -> None:
        """Read the status of ``container`` again, until that succeeds, an exit is recorded or it is removed."""
        self._supervisor.once(f"read-again/{container.id[:12]}", self._read_again(container.id))

    async def _read_again(self, id_: str) -> None:
        for pause in doubling(FIRST_PAUSE, LONGEST_PAUSE):
            await asyncio.sleep(pause)
            container = self._containers.exact(id_)
            if container is None or not container.status_unread:
                return
            try:
                status, reason = await run(FS, self._read, container)
            except OSError as error:
                log.debug("recovery.status_unread", container_id=id_, error=str(error))
                continue
            known = container.replace(status=status, unknown_reason=reason, status_unread=False)
            self._containers.update(id_, partial(_replaced, known))
            log.info("recovery.status_read", container_id=id_)
            await self._states.container(id_, await poll_task(self._containerd, id_))
            return

    def _read(self, container: Container) -> tuple[Status, str]:
        """Return the status and an empty reason; for a damaged file the present status and why. Raises OSError."""
        try:
            status, reason = read_status(self._paths.container_root(container.id)), ""
        except ValueError as error:
            status, reason = container.status, str(error)
        return known_status(status, container.status.created_at), reason


def _replaced(known: Container, current: Container) -> Container:
    """Return ``current`` with what was read, unless an exit has been recorded meanwhile."""
    changes = {"status": known.status, "unknown_reason": known.unknown_reason, "status_unread": False}
    return current.replace(**changes) if current.status_unread else current
