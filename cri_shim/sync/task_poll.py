"""Poll containerd for tasks. The result is the task, that it is absent, or that containerd did not answer.

Only NotFound proves that there is no task. A time-out, a broken connection or an error of the shim says nothing about
the process, which is left alone and polled again (:mod:`cri_shim.sync.unanswered`). containerd gives a shim two
seconds. For one that does not answer by then, 1.6 and 1.7 report the status UNKNOWN; later ones answer with an error or
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
"""The time limit of one poll: a little more than containerd gives the shim."""
LIST_SECONDS: Final = 1.0
"""The time limit of the list of all tasks. containerd asks one shim after the other, so a hanging one delays the list
by two seconds for each of its tasks. After this time each task is polled by itself, all at the same time."""
AT_ONCE: Final = 64

ALIVE: Final = frozenset({task_types.RUNNING, task_types.PAUSED, task_types.PAUSING})
"""The states of a task whose process was started and exists."""


class Absent(Struct, frozen=True):
    """containerd has no task with this id."""


class NotKnown(Struct, frozen=True):
    """It could not be found out whether there is a task and what it does."""

    reason: str


if TYPE_CHECKING:
    PolledTask: TypeAlias = Process | Absent | NotKnown

ABSENT: Final = Absent()


async def poll_task(containerd: Containerd, id_: str, *, seconds: float = POLL_SECONDS) -> PolledTask:
    """Poll the task of ``id_``; this returns within ``seconds``, whatever containerd does."""
    try:
        return await _get_task(containerd, id_, seconds)
    except Unavailable as error:
        return NotKnown(str(error))


async def poll_tasks(containerd: Containerd, ids: Iterable[str]) -> dict[str, PolledTask]:
    """Poll the tasks of all ``ids``, within :data:`LIST_SECONDS` and :data:`POLL_SECONDS` together.

    Raises Unavailable when containerd cannot be connected to, because then nothing is known of any task.
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
            polled[id_] = await _get_task(containerd, id_, max(0.0, until - asyncio.get_running_loop().time()))

    for outcome in await asyncio.gather(*map(one, left), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return polled


def judged(process: Process) -> PolledTask:
    """Return what containerd reported of a task; the status UNKNOWN counts as no answer."""
    if process.status in ALIVE or process.status in (task_types.CREATED, task_types.STOPPED):
        return process
    return NotKnown("containerd could not get the state of its task: the shim does not answer")


async def _list_tasks(containerd: Containerd) -> dict[str, PolledTask]:
    """Return all tasks that containerd lists; none if the list takes too long, which says nothing about any task."""
    try:
        with call_options(timeout=LIST_SECONDS):
            return {process.id: judged(process) for process in await containerd.tasks.list()}
    except ContainerdError as error:
        if error.never_sent:
            raise
        return {}


async def _get_task(containerd: Containerd, id_: str, seconds: float) -> PolledTask:
    """Return what containerd answers about one task; raise only an error of a call that was never sent."""
    try:
        with call_options(timeout=seconds):
            return judged(await containerd.tasks.get(id_))
    except NotFound:
        return ABSENT
    except ContainerdError as error:
        if error.never_sent:
            raise
        return NotKnown(str(error))
