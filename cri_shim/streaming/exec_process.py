"""One command run inside a container: its start, its end, and the removal of what containerd keeps of it.

A semaphore admits only a few starts at a time in each pod. containerd's shim (seen in 1.6.20) holds one lock during a
start and needs the same lock to report an exit. Exits wait in a queue of 32, and the end of the start itself is
reported behind them. Forty starts at once fill the queue, and from then on the shim answers no request at all, not even
those of containerd's plugin.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import ContainerdError, DeadlineExceeded, NotFound, call_options, detached_options
from cri_shim.concurrency.pauses import ending_with_last
from cri_shim.errors import UnavailableError
from cri_shim.logs import FifoSet
from cri_shim.streaming.exec_exit import wait_exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from containerd_client import Containerd, Exit
    from cri_shim.concurrency.operations import Operations
    from cri_shim.tuning.cgroup_moves import CgroupMoves

STARTS_AT_ONCE = 4
"""Commands being started in one pod at the same time; each makes up to three exits for the shim's queue of 32."""

START_SECONDS = 60.0
"""How long a command may wait to be started, and how long its start may take, whatever the client's own limit is."""

AFTER_KILL = 10.0
"""Seconds that a killed command has to end."""

REMOVED_AGAIN = (1.0, 5.0, 15.0, 60.0)
"""Seconds between attempts to remove a command; the last one is repeated for as long as its container lives."""

_PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"

log = structlog.get_logger(__name__)


class ExecProcess:
    """A command with its own FIFOs, below ``directory``.

    Once :meth:`start` was tried, the caller must call :meth:`remove`.
    """

    def __init__(
        self,
        containerd: Containerd,
        container_id: str,
        spec: dict[str, Any],
        directory: Path,
        *,
        stdin: bool,
        gate: asyncio.Semaphore,
        cgroup_moves: CgroupMoves,
        container_ended: Callable[[], Coroutine[Any, Any, None]],
        end_hanging: Callable[[], Awaitable[None]],
    ) -> None:
        """Make the FIFOs.

        ``container_ended`` returns when the container has ended; ``end_hanging`` ends programs of a runtime that hangs.
        """
        self.id = secrets.token_hex(32)
        self._tasks = containerd.tasks
        self._container_id = container_id
        self._spec = spec
        self._gate = gate
        self._cgroup_moves = cgroup_moves
        self._container_ended = container_ended
        self._end_hanging = end_hanging
        self._tty = bool(spec.get("terminal"))
        self._exit: asyncio.Task[Exit] | None = None
        self.fifos = FifoSet.create(str(directory / f"exec-{self.id}"), self.id, stdin=stdin, tty=self._tty)

    async def start(self) -> None:
        """Start the command.

        Raises the error with which containerd or the OCI runtime refuses it, usually because the program does not
        exist, and UnavailableError when it was not started within :data:`START_SECONDS`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._gate.acquire()
        except TimeoutError:
            raise UnavailableError(
                f"the command was not started: {STARTS_AT_ONCE} others in its pod are being started, and none of them "
                f"has been within {START_SECONDS:g} s; the pod's shim or OCI runtime hangs"
            ) from None
        try:
            with call_options(timeout=START_SECONDS):
                await self._start()
        except DeadlineExceeded as error:
            # What hangs would keep the shim from answering any other call about the pod.
            await self._end_hanging()
            raise UnavailableError(
                f"the command was not started, because the pod's shim or OCI runtime does not answer ({error})"
            ) from error
        finally:
            self._gate.release()

    async def _start(self) -> None:
        packed = AnyMessage(type_url=_PROCESS_TYPE, value=json.dumps(self._spec, separators=(",", ":")).encode())
        self._cgroup_moves.prepare()
        await self._tasks.exec(
            self._container_id,
            self.id,
            spec=packed,
            stdin=self.fifos.stdin,
            stdout=self.fifos.stdout,
            stderr=self.fifos.stderr,
            terminal=self._tty,
        )
        # Wait from the start on, so that the end of a short command arrives together with its start.
        with detached_options():
            self._exit = asyncio.create_task(self._tasks.wait(self._container_id, self.id))
        await self._tasks.start(self._container_id, self.id)

    async def wait(self) -> Exit:
        """Return how the command ended, once it has; several callers may wait, and a wait may be cancelled.

        See :func:`cri_shim.streaming.exec_exit.wait_exit` for what ends it otherwise.
        """
        if self._exit is None:
            raise UnavailableError("it is unknown whether the command was made")
        return await wait_exit(
            self._tasks, self._container_id, self.id, waiting=self._exit, container_ended=self._container_ended
        )

    async def kill(self) -> None:
        """Send SIGKILL; a command that has ended is fine."""
        with suppress(NotFound):
            await self._tasks.kill(self._container_id, signal.SIGKILL, exec_id=self.id)

    async def resize(self, width: int, height: int) -> None:
        """Change the size of its terminal; a command that has ended has no terminal, and that is fine."""
        try:
            await self._tasks.resize_pty(self._container_id, self.id, width, height)
        except ContainerdError as error:
            log.debug("exec.not_resized", container_id=self._container_id, error=str(error))

    async def close_stdin(self) -> None:
        """Let the command see the end of its stdin, by making the shim close the writing end that it holds itself."""
        try:
            await self._tasks.close_io(self._container_id, self.id, stdin=True)
        except ContainerdError as error:
            log.debug("exec.stdin_not_closed", container_id=self._container_id, error=str(error))

    def begin_removal(self, operations: Operations) -> None:
        """Begin to leave nothing behind: kill the command if it still runs, delete its record and the FIFOs.

        A removal that fails, because containerd is away, is repeated until it succeeds. The FIFOs stay until then: by
        them the next daemon knows what is left to be removed (:mod:`cri_shim.streaming.orphaned_execs`).
        """

        async def remove() -> None:
            if not await self._removed():
                operations.begin(f"exec-end-again/{self.id}", self._remove_again, cut_at_shutdown=True)

        operations.begin(f"exec-end/{self.id}", remove)

    async def _remove_again(self) -> None:
        for pause in ending_with_last(REMOVED_AGAIN):
            await asyncio.sleep(pause)
            if await self._removed():
                return

    async def _removed(self) -> bool:
        """Try to remove the command; return whether nothing is left of it in containerd."""
        try:
            try:
                await self._tasks.delete_process(self._container_id, self.id)
            except NotFound:
                raise
            except ContainerdError:
                await self._kill_and_delete()
        except NotFound:
            pass  # gone already, or with its container
        except (ContainerdError, TimeoutError) as error:
            log.warning("exec.not_deleted", container_id=self._container_id, exec_id=self.id, error=str(error))
            return False
        finally:
            if self._exit is not None:
                self._exit.cancel()
                await asyncio.gather(self._exit, return_exceptions=True)
        self.fifos.remove()
        return True

    async def _kill_and_delete(self) -> None:
        await self.kill()
        async with asyncio.timeout(AFTER_KILL):
            # Asked anew: a wait from before may have broken off with the connection.
            await self._tasks.wait(self._container_id, self.id)
        await self._tasks.delete_process(self._container_id, self.id)
