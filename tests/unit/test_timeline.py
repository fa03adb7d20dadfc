"""What a request notes about itself while it runs: stages and waits, at the places that keep it waiting."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest

from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.concurrency.keyed_semaphores import KeyedSemaphores
from cri_shim.concurrency.operations import Operations
from cri_shim.kernel import executors
from cri_shim.ledger.intervals import union_length
from cri_shim.ledger.ledger import Ledger
from cri_shim.network.exec import Helper
from cri_shim.timeline import MOST_WAITS, Stretch, awaited, note_stage, stage

if TYPE_CHECKING:
    from cri_shim.ledger.request import Request


def waited(request: Request) -> list[str]:
    """What it waited for."""
    return [wait.name for wait in request.waits or ()]


async def test_waiting_for_a_thread_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that found all threads busy notes how long it stood in the queue, not how long it ran."""
    request = Ledger().open("RunPodSandbox")
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setitem(executors._WAITS, pool, "executor test")
        release = threading.Event()
        busy = pool.submit(release.wait, 10)
        submitted = time.perf_counter()
        second = asyncio.create_task(executors.run(pool, threading.Event().wait, 0.2))
        await asyncio.sleep(0.1)
        release.set()
        await second
        assert busy.result()
    (wait,) = list(request.waits or ())
    assert wait.name == "executor test"
    assert 0.09 <= wait.duration <= time.perf_counter() - submitted - 0.19


async def test_a_thread_at_hand_is_no_wait() -> None:
    """A call that begins at once leaves no line."""
    request = Ledger().open("RunPodSandbox")
    await executors.run(executors.FS, int)
    seconds = [wait.duration for wait in request.waits or ()]
    assert [one for one in seconds if one < executors.QUEUED] == []


@pytest.mark.parametrize(("make", "name"), [(KeyedLocks, "lock"), (lambda: KeyedSemaphores(1), "gate")])
async def test_locks_and_semaphores_note_which_request_had_to_wait(make, name) -> None:
    """Taking a free lock is not a wait; taking a held one is."""
    request = Ledger().open("StartContainer")
    some: KeyedLocks | KeyedSemaphores = make()
    held = some.of("id")
    async with held:
        assert not waited(request)

        async def wants() -> None:
            async with some.of("id"):
                pass

        second = asyncio.create_task(wants())
        await asyncio.sleep(0.05)
    await second
    assert waited(request) == [name]
    assert sum(wait.duration for wait in request.waits or ()) >= 0.04


async def test_stages_know_what_they_are_part_of() -> None:
    """A stage inside another one names it as its outer one, in a task of its own too."""
    request = Ledger().open("RunPodSandbox")

    async def inner() -> None:
        with stage("inner", {"image.ref": "x"}):
            pass

    with stage("outer") as outer:
        await asyncio.gather(inner(), inner())
        note_stage("told", outer._started)
        outer.set_attributes({"sandbox.id": "y"})
    stages = {one.name: one for one in request.stages or ()}
    assert set(stages) == {"inner", "told", "outer"}
    assert stages["inner"].block is not None
    assert stages["inner"].block.outer is outer
    assert stages["told"].block is not None
    assert stages["told"].block.outer is outer
    assert stages["outer"].block is outer
    assert (stages["inner"].about, stages["outer"].about) == ({"image.ref": "x"}, {"sandbox.id": "y"})


async def test_what_happens_after_the_answer_is_not_noted() -> None:
    """An operation that outlives its request adds nothing to it."""
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")
    ledger.close(request, "CANCELLED")
    with stage("late"), awaited("exit"):
        pass
    assert (request.stages, request.waits) == (None, None)


async def test_what_an_operation_waits_for_when_its_client_hangs_up_is_in_the_bill() -> None:
    """The operation goes on; up to then its client waited for what the operation waits for, not for the daemon."""
    ledger, operations = Ledger(), Operations()
    request = ledger.open("StopContainer")

    async def stop() -> None:
        ledger.note_run("bridge", "DEL")
        with awaited("exit"):
            await asyncio.sleep(0.1)

    stopping = asyncio.create_task(operations.run("stop/1", stop))
    await asyncio.sleep(0.05)
    ledger.close(request, "CANCELLED")
    (wait,) = list(request.waits or ())
    (helper,) = request.helpers
    assert (wait.name, helper.name, helper.command, helper.exit_code) == ("exit", "bridge", "DEL", None)
    assert request.bill.world == pytest.approx(request.bill.wall, abs=0.02)
    assert request.bill.helpers == pytest.approx(wait.duration, abs=0.02)
    await stopping
    assert len(request.waits or ()) == len(request.helpers) == 1


async def test_a_helper_that_has_ended_is_noted_once() -> None:
    """Of two alike that run at once the other one still runs."""
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")
    ledger.note_run("bridge", "ADD")
    ledger.note_run("bridge", "ADD")
    ledger.note_helper(Helper("bridge", "ADD", time.perf_counter(), 0.0, 0))
    assert [one.exit_code for one in request.running_until(time.perf_counter())] == [None]
    ledger.note_helper(Helper("bridge", "ADD", time.perf_counter(), 0.0, 1))
    ledger.close(request)
    assert [one.exit_code for one in request.helpers] == [0, 1]


async def test_more_waits_than_are_noted_one_by_one_are_in_the_bill_all_the_same() -> None:
    """A stream to a slow client makes its last wait longer, and a wait of another name has its own line."""
    request = Ledger().open("GetContainerEvents")
    for number in range(2 * MOST_WAITS):
        request.add_wait(Stretch("client", request.started + number, 1.0))
    request.add_wait(Stretch("event", request.started, 3.0 * MOST_WAITS))
    waits = request.waits or []
    assert len(waits) == MOST_WAITS + 1
    assert union_length((one.started, one.started + one.duration) for one in waits[:-1]) == pytest.approx(
        2 * MOST_WAITS
    )
    assert waits[-1].name == "event"


def test_a_request_leaves_no_circle_behind():
    """Its stages, hops and contexts go with the last reference: nothing waits for the garbage collector.

    A full collection hardly ever comes in a daemon, so what waits for it stays for hours.
    """
    ledger = Ledger()

    def work() -> None:
        request = ledger.open("RunPodSandbox")
        with stage("outer"), stage("inner") as inner:
            inner.set_attributes({"a": "b"})
            note_stage("noted", 0.0)
        ledger.close(request)

    copy_context().run(work)
    gc.collect()
    for _ in range(3):
        copy_context().run(work)
    assert gc.collect() == 0


@types.coroutine
def suspended():
    """Suspend the coroutine that awaits it, for ever."""
    yield


async def never_ended() -> None:
    """Wait inside a stage."""
    with stage("outer"), stage("inner"), awaited("exit"):
        await suspended()


def test_what_the_garbage_collector_ends_is_noted_in_no_other_request() -> None:
    """It runs in the context of any request, which has neither the stages nor the wait."""
    ledger = Ledger()
    first, second = copy_context(), copy_context()
    one, other = first.run(ledger.open, "StopContainer"), second.run(ledger.open, "Version")
    work = never_ended()
    first.run(work.send, None)
    second.run(work.close)
    assert (other.stages, other.waits) == (None, None)
    assert (one.beside, waited(one)) == (0, ["exit"])
