"""Commands that a killed daemon was starting or running in containers.

A shim opens the FIFOs of a command while it holds the lock of the container, and waits there for the other end. After
a daemon that was killed meanwhile nothing opens it: the shim says nothing of any container of the pod for as long as
the call to start the command had left, a minute or so. So the next daemon opens those FIFOs before it asks anything,
and then ends the commands, whose clients have gone.
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
"""Commands that are ended; of more than these the shims wait as long as they do."""
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
    """Open the FIFOs of the commands that an earlier daemon has left below ``containers_state``. Blocks."""
    found: list[OrphanedExec] = []
    for container in _entries(containers_state):
        for directory in _entries(container):
            if directory.name.startswith(_PREFIX) and len(found) < MOST:
                exec_id = directory.name.removeprefix(_PREFIX)
                held = tuple(fd for path in _entries(directory) if (fd := _opened(path)) is not None)
                found.append(OrphanedExec(container.name, exec_id, directory, held))
    return found


async def end_orphaned(containerd: Containerd, orphans: Sequence[OrphanedExec]) -> None:
    """End them, and leave nothing of them behind."""
    try:
        await asyncio.gather(*(_end(containerd, orphan) for orphan in orphans))
    finally:
        for fd in (fd for orphan in orphans for fd in orphan.held):
            os.close(fd)
    for orphan in orphans:
        with suppress(OSError):  # it goes with its container
            await run(FS, remove_tree, orphan.directory)
        log.info("exec.orphan_ended", container_id=orphan.container_id, exec_id=orphan.exec_id)


async def _end(containerd: Containerd, orphan: OrphanedExec) -> None:
    """Kill and delete one; what cannot be deleted goes with the task of its container."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            with call_options(timeout=_STEP_SECONDS):
                with suppress(ContainerdError):  # ended, or never started
                    await containerd.tasks.kill(orphan.container_id, signal.SIGKILL, exec_id=orphan.exec_id)
                await containerd.tasks.delete_process(orphan.container_id, orphan.exec_id)
        except NotFound:
            return
        except ContainerdError as error:
            log.debug("exec.orphan_stays", container_id=orphan.container_id, error=str(error))
        else:
            return


def _opened(path: Path) -> int | None:
    """Open a FIFO for both directions, which never waits; None for what is none."""
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
