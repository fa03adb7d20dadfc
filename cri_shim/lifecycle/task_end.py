"""End a task before a removal: containerd deletes it, or the removal fails and says what is in the way.

With the task go its shim, the mount of its root file system and its cgroups. The record goes after them, because no
call of containerd's reaches them without the record (docs/adr/0028).
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError, DeadlineExceeded, FailedPrecondition, NotFound, Unavailable
from cri_shim.errors import FailedPreconditionError, InternalError, UnavailableError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.mount_users import users_of
from untrusted import shorten

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.sync.exits import Exits

RETRIES = (0.1, 0.4)
"""Seconds between the attempts of one removal. A busy mount is not retried: containerd has already retried it for two
and a half seconds, which is enough for a program that only looks around on a node."""

_BUSY = "device or resource busy"
_LONGEST_WORDS = 1024

log = structlog.get_logger(__name__)


async def end_task(containerd: Containerd, exits: Exits, what: str, id_: str) -> None:
    """Have containerd delete the task of ``id_``, whose process has ended; a task that is already gone is success.

    ``what`` names the object in errors ("container 12ab…"). Raises FailedPreconditionError when something on the node
    is in the way, InternalError with containerd's message when containerd fails, and Unavailable when it is away.
    """
    for pause in (*RETRIES, None):
        try:
            await exits.delete_task(id_)
        except Unavailable:
            raise
        except DeadlineExceeded as error:
            raise UnavailableError(
                f"{what} cannot be removed: containerd could not delete its task in time, its shim does not answer "
                f"({error.detail}); remove it again later"
            ) from error
        except ContainerdError as error:
            if pause is None or _BUSY in error.detail:
                raise await _refused(what, id_, error) from error
            log.debug("task.delete_failed", id=id_, error=str(error))
            if isinstance(error, FailedPrecondition):
                await _kill(containerd, id_)  # it still runs, although the state said that it had ended
            await asyncio.sleep(pause)
        else:
            return


async def _kill(containerd: Containerd, id_: str) -> None:
    try:
        await containerd.tasks.kill(id_, signal.SIGKILL)
    except NotFound:
        pass
    except ContainerdError as error:
        log.debug("task.kill_failed", id=id_, error=str(error))


async def _refused(what: str, id_: str, error: ContainerdError) -> FailedPreconditionError | InternalError:
    said = shorten(error.detail, _LONGEST_WORDS)
    if _BUSY not in error.detail:
        return InternalError(
            f"{what} cannot be removed: containerd cannot delete its task ({said}); "
            "fix what it names and remove it again"
        )
    users = await run(FS, users_of, f"/{id_}/rootfs")
    holders = f"it is held by {', '.join(users)}" if users else "what holds it is unknown"
    return FailedPreconditionError(
        f"{what} cannot be removed: its root file system is in use and cannot be unmounted ({said}); {holders}; "
        "end that, or make it leave the directory, and remove it again"
    )
