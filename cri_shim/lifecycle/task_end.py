"""The end of a task as a removal needs it: containerd has deleted it, or the removal fails and says what is in the way.

With the task go its shim, the mount of its root file system and its cgroups. The record goes after them, because
without the record no call of containerd's reaches them any more (docs/adr/0028).
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
"""Seconds between attempts of one removal. A busy mount is not among what is tried again: containerd has done that
for two and a half seconds, which is enough for a program that looks around on a node."""

_BUSY = "device or resource busy"
_LONGEST_WORDS = 1024

log = structlog.get_logger(__name__)


async def end_task(containerd: Containerd, exits: Exits, what: str, id_: str) -> None:
    """Have containerd delete the task of ``id_``, whose process has ended; gone is fine.

    ``what`` names the thing in errors ("container 12ab…"). Raises FailedPreconditionError when something on the node
    is in the way, InternalError with containerd's words when it cannot, and Unavailable when it is away.
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
                await _kill(containerd, id_)  # it runs, although it was taken for ended
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
            "mend what it names and remove it again"
        )
    users = await run(FS, users_of, f"/{id_}/rootfs")
    holders = f"it is held by {', '.join(users)}" if users else "what holds it could not be found out"
    return FailedPreconditionError(
        f"{what} cannot be removed: its root file system is in use and cannot be unmounted ({said}); {holders}; "
        "end that, or let it leave the directory, and remove it again"
    )
