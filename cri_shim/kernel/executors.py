"""Run blocking calls in thread pools, one for each kind of thing that they wait for.

asyncio's default pool may have only six threads, and all code shares it: a stat on a dead network file system would
stop the mounts of all pods. There are therefore two pools of their own: ``FS`` for files and directories, ``MOUNT`` for
mounts and namespaces.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from cri_shim.timeline import note_cpu, note_wait

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

FS: Final = ThreadPoolExecutor(16, thread_name_prefix="fs")
MOUNT: Final = ThreadPoolExecutor(8, thread_name_prefix="mount")

QUEUED: Final = 0.0002
"""Seconds between submitting a call and its start from which the delay is listed among a request's waits."""
_WAITS: Final = {FS: "executor fs", MOUNT: "executor mount"}


def queued() -> dict[str, int]:
    """Return how many calls wait for a thread, by executor, at this moment."""
    return {"fs": FS._work_queue.qsize(), "mount": MOUNT._work_queue.qsize()}  # noqa: SLF001 - there is no public way


async def run(executor: ThreadPoolExecutor, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in ``executor`` and return its result; the thread sees the caller's context variables.

    A thread cannot be stopped, so a cancelled caller still waits for the call to end: afterwards the mount exists or
    does not, and the caller's undo does not race with it. A call that has not started yet is dropped.
    """
    submitted = begun = time.perf_counter()
    spent = 0.0

    def work() -> T:
        nonlocal begun, spent
        begun, cpu = time.perf_counter(), time.thread_time()
        try:
            return fn(*args, **kwargs)
        finally:
            spent = time.thread_time() - cpu

    job = executor.submit(contextvars.copy_context().run, work)
    done = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        job.cancel()
        while not done.done():
            try:
                await asyncio.wait({done})
            except asyncio.CancelledError:
                continue
        if not done.cancelled():
            done.exception()  # mark it as retrieved: the caller receives the cancellation
        raise
    finally:
        note_cpu(spent)
        if begun - submitted >= QUEUED:
            note_wait(_WAITS.get(executor, "executor"), submitted, ended=begun)
