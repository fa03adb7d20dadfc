"""End the commands that a killed daemon was starting or running in containers.

A shim opens the FIFOs of a command while it holds the lock of the container, and waits there for the other end. If the
daemon is killed meanwhile, nothing opens the other end, and the shim answers no request about any container of the pod
for as long as the call to start the command had left, which is a minute or so. So the next daemon opens those FIFOs
before it sends any request, and then ends the commands, whose clients have gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from containerd_client import ContainerdError, NotFound, call_options
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.remove_tree import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from containerd_client import Containerd

MOST: Final = 256
"""The most commands that are ended; the shims of further ones wait out their minute."""
_PREFIX: Final = "exec-"
_PAUSES: Final = (0.2, 1.0, 5.0)
_STEP_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


class OrphanedExec(Struct, frozen=True):
    """One command, and the descriptors that hold its FIFOs open."""

    container_id: str
    exec_id: str
    directory: Path
    held: tuple[int, ...]


def open_orphaned(containers_state: Path) -> list[OrphanedExec]:
    """Open the FIFOs of the commands that an earlier daemon has left below ``containers_state``.

    Blocking.
    """
    execs: list[OrphanedExec] = []
    for container in _entries(containers_state):
        for directory in _entries(container):
            if directory.name.startswith(_PREFIX) and len(execs) < MOST:
                exec_id = directory.name.removeprefix(_PREFIX)
                held = tuple(fd for path in _entries(directory) if (fd := _opened(path)) is not None)
                execs.append(OrphanedExec(container.name, exec_id, directory, held))
    return execs


async def end_orphaned(containerd: Containerd, execs: Sequence[OrphanedExec]) -> None:
    """End the commands and remove everything that is left of them.

    The FIFOs of one that cannot be ended stay, so that the next daemon tries again.
    """
    try:
        ended = await asyncio.gather(*(_end(containerd, one) for one in execs))
    finally:
        for fd in (fd for one in execs for fd in one.held):
            os.close(fd)
    for one in [one for one, gone in zip(execs, ended, strict=True) if gone]:
        with suppress(OSError):  # the directory goes with its container
            await run(FS, remove_tree, one.directory)
        log.info("exec.orphan_ended", container_id=one.container_id, exec_id=one.exec_id)


async def _end(containerd: Containerd, orphaned: OrphanedExec) -> bool:
    """Kill and delete one command; return False if it stays, until the task of its container goes."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            with call_options(timeout=_STEP_SECONDS):
                with suppress(ContainerdError):  # it has ended, or was never started
                    await containerd.tasks.kill(orphaned.container_id, signal.SIGKILL, exec_id=orphaned.exec_id)
                await containerd.tasks.delete_process(orphaned.container_id, orphaned.exec_id)
        except NotFound:
            return True
        except ContainerdError as error:
            log.debug("exec.orphan_stays", container_id=orphaned.container_id, error=str(error))
        else:
            return True
    return False


def _opened(path: Path) -> int | None:
    """Open a FIFO for both directions, which never waits; return None for anything else."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
