"""What a look at a task has found: the task, that there is none, or nothing, because the question was not answered.

Only NotFound says that there is no task. A time-out, a broken connection or an error of the shim says nothing about
the process: it is left alone, and looked at again (:mod:`cri_shim.sync.unanswered`). containerd gives a shim two
seconds; for one that does not answer by then 1.6 and 1.7 tell the status UNKNOWN, later ones answer with an error or
leave the task out of a list.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from containerd_client import ContainerdError, NotFound, Unavailable, call_options
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.api.containerd.v1.types.types_pb2 import Process

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from containerd_client import Containerd

POLL_SECONDS: Final = 4.0
"""How long one look may take: a little more than containerd gives the shim."""
LIST_SECONDS: Final = 1.0
"""How long the list of all tasks may take; containerd makes it one shim after the other, so one that hangs delays it
by two seconds for each of its tasks. Then each task is asked for by itself, all at the same time."""
AT_ONCE: Final = 64

ALIVE: Final = frozenset({task_types.RUNNING, task_types.PAUSED, task_types.PAUSING})
"""States of a task whose process is there and was started."""


class Absent(Struct, frozen=True):
    """containerd has no task of this id."""


class NotKnown(Struct, frozen=True):
    """Whether there is a task, and what it does, could not be found out."""

    reason: str


if TYPE_CHECKING:
    PolledTask: TypeAlias = Process | Absent | NotKnown

ABSENT: Final = Absent()


async def poll_task(containerd: Containerd, id_: str, *, seconds: float = POLL_SECONDS) -> PolledTask:
    """Ask for the task of ``id_``; the answer comes within ``seconds``, whatever containerd does."""
    try:
        return await _asked(containerd, id_, seconds)
    except Unavailable as error:
        return NotKnown(str(error))


async def poll_tasks(containerd: Containerd, ids: Iterable[str]) -> dict[str, PolledTask]:
    """Look at the tasks of all ``ids``, within :data:`LIST_SECONDS` and :data:`POLL_SECONDS` together.

    Raises Unavailable when there is no containerd to connect to: then nothing is known of any of them.
    """
    tasks = await _list_tasks(containerd)
    polled: dict[str, PolledTask] = {}
    left = []
    for id_ in ids:
        task = tasks.get(id_)
        if isinstance(task, Process):
            polled[id_] = task
        else:
            left.append(id_)
    places = asyncio.Semaphore(AT_ONCE)
    until = asyncio.get_running_loop().time() + POLL_SECONDS

    async def one(id_: str) -> None:
        async with places:
            polled[id_] = await _asked(containerd, id_, max(0.0, until - asyncio.get_running_loop().time()))

    for outcome in await asyncio.gather(*map(one, left), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return polled


def judged(process: Process) -> PolledTask:
    """What containerd said of a task; the status UNKNOWN counts as no answer."""
    if process.status in ALIVE or process.status in (task_types.CREATED, task_types.STOPPED):
        return process
    return NotKnown("containerd could not learn the state of its task: the shim does not answer")


async def _list_tasks(containerd: Containerd) -> dict[str, PolledTask]:
    """All tasks that containerd lists; nothing when it does not make the list in time, which says nothing of any."""
    try:
        with call_options(timeout=LIST_SECONDS):
            return {process.id: judged(process) for process in await containerd.tasks.list()}
    except ContainerdError as error:
        if error.never_sent:
            raise
        return {}


async def _asked(containerd: Containerd, id_: str, seconds: float) -> PolledTask:
    try:
        with call_options(timeout=seconds):
            return judged(await containerd.tasks.get(id_))
    except NotFound:
        return ABSENT
    except ContainerdError as error:
        if error.never_sent:
            raise
        return NotKnown(str(error))
