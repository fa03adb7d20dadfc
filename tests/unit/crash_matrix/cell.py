"""One cell of the matrix: one RPC, cut at one hop in one way, and everything that has to be true afterwards."""

from __future__ import annotations

import asyncio
import enum
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc.aio
from msgspec import Struct

from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.fakes.containerd import Fault
    from tests.unit.crash_matrix.cases import Case, Fields
    from tests.unit.crash_matrix.world import World

ANSWER_SECONDS = 900.0
"""How long a client waits for an answer, on the loop's clock. A kubelet asks again after four minutes, and joins."""

LATE_SECONDS = 3.0
"""How late a late answer is, on the loop's clock."""

CELL_SECONDS = 3600.0
"""How long a whole cell may take, on the loop's clock."""

NEVER_REACHED = "never reached"
"""Stands for the method where the request made fewer hops than without a fault, so that nothing was cut."""

_FAR = 1 << 30


class Cut(enum.Enum):
    """What happens at the hop."""

    GONE = "daemon gone"
    ANSWER_LOST = "answer lost"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"
    HANG = "hang"
    LATE = "late answer"
    HUNG_UP = "client gone"


_KINDS = {
    Cut.GONE: FaultKind.GONE,
    Cut.ANSWER_LOST: FaultKind.ANSWER_LOST,
    Cut.UNAVAILABLE: FaultKind.UNAVAILABLE,
    Cut.UNKNOWN: FaultKind.UNKNOWN,
    Cut.HANG: FaultKind.HANG,
    Cut.LATE: FaultKind.LATE,
    Cut.HUNG_UP: FaultKind.HANG,
}

ALLOWED = {
    Cut.GONE: {"OK", "UNAVAILABLE"},
    Cut.ANSWER_LOST: {"OK", "UNAVAILABLE"},
    Cut.UNAVAILABLE: {"OK", "UNAVAILABLE"},
    Cut.UNKNOWN: {"OK", "UNKNOWN"},
    Cut.HANG: {"OK", "DEADLINE_EXCEEDED", "UNAVAILABLE"},
    Cut.LATE: {"OK"},
    Cut.HUNG_UP: {"OK", "CANCELLED"},
}
"""What a client may be told. INTERNAL, which would be a fault of the daemon's own, never is."""


class Result(Struct):
    """What became of a cell. Without a ``problem`` it is right."""

    case: str
    hop: int
    method: str
    cut: str
    answer: str = ""
    problem: str = ""


async def count_hops(world: World, case: Case) -> int:
    """Run the RPC without a fault, and return how many hops it makes."""
    before = world.leftovers()
    fields = await case.prepare(world.kubelet)
    await world.until_idle()
    world.forget_what_is_cached()
    counting = world.fake.faults.add("*", FaultKind.LATE, nth=_FAR)
    code, text = await _called(world, case, fields)
    await world.until_idle()
    hops = counting.seen
    world.fake.faults.clear()
    if code != "OK":
        raise AssertionError(f"{case.name} fails without a fault: {code}: {text}")
    if problem := await _afterwards(world, case, fields, before, before=None):
        raise AssertionError(f"{case.name} is not right without a fault: {problem}")
    return hops


@dataclass
class Prepared:
    """What was made for the cells of a case, and what there was before it and with it.

    The cells of a case that changes nothing use one after the other what was made for the first.
    """

    fields: Fields
    empty: dict[str, list[str]]
    before: dict[str, list[str]]


async def prepare(world: World, case: Case) -> Prepared:
    """Make what goes before the RPC of a case."""
    empty = world.leftovers()
    fields = await case.prepare(world.kubelet)
    await world.until_idle()
    return Prepared(fields, empty, world.leftovers())


async def run_cell(world: World, case: Case, cut: Cut, hop: int, prepared: Prepared) -> Result:
    """Run one cell; afterwards the world is as it was before ``prepare``, or before the cell if that changes nothing.

    It is not where the result has a problem.
    """
    result = Result(case.name, hop, "", cut.value)
    try:
        async with asyncio.timeout(CELL_SECONDS):
            await _run(world, case, cut, result, prepared)
    except TimeoutError:
        result.problem = f"the cell did not end within {CELL_SECONDS:g} s"
    except grpc.aio.AioRpcError as error:
        where = traceback.extract_tb(error.__traceback__)
        names = " < ".join(frame.name for frame in reversed(where) if "crash_matrix" in frame.filename)
        result.problem = f"afterwards a request fails: {error.code().name}: {error.details()} ({names})"
    except AssertionError as error:
        result.problem = f"afterwards: {error or traceback.format_exc(limit=-1)}"
    return result


async def _run(world: World, case: Case, cut: Cut, result: Result, prepared: Prepared) -> None:
    faults, fields = world.fake.faults, prepared.fields
    world.forget_what_is_cached()
    first = len(world.fake.calls)
    fault = faults.add("*", _KINDS[cut], nth=result.hop, seconds=LATE_SECONDS)
    code, text = await (_hung_up(world, case, fields, fault) if cut is Cut.HUNG_UP else _called(world, case, fields))
    result.answer = f"{code}: {text}" if text else code
    if not fault.struck:  # in what the request has left to the background
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(world.service.operations) and not fault.struck:
                await asyncio.sleep(0.5)
    hops = world.hops_since(first)
    result.method = hops[result.hop - 1] if len(hops) >= result.hop else ""
    if cut is Cut.HANG and result.method not in case.never_cut_short:
        async with asyncio.timeout(ANSWER_SECONDS):
            while faults.hanging:
                await asyncio.sleep(0.5)
    faults.clear()
    if cut is Cut.GONE and fault.struck:
        await world.fake.come_back()
    await world.until_idle()
    if not fault.struck:
        result.method = NEVER_REACHED
    if code not in ALLOWED[cut] | (case.refusals if cut is Cut.UNKNOWN else frozenset()):
        result.problem = f"the client is told {result.answer}"
        return
    result.problem = await _afterwards(world, case, fields, prepared.empty, before=prepared.before)


async def _afterwards(
    world: World, case: Case, fields: Fields, empty: dict[str, list[str]], *, before: dict[str, list[str]] | None
) -> str:
    """Do what a kubelet does next, which has to succeed, and then remove everything. Return what is left."""
    await case.follow(world.kubelet, fields)
    await world.until_idle()
    if case.changes_nothing and before is not None:
        left = await world.until_only(before)
        return f"after the retry: {left}" if left else ""
    return await remove_everything(world, empty)


async def remove_everything(world: World, empty: dict[str, list[str]]) -> str:
    """Remove all pods, and return what is left then that was not there before them."""
    await world.kubelet.clear_pods()
    await world.until_idle()
    world.add_missing_images()
    left = await world.until_only(empty)
    return f"after everything was removed: {left}" if left else ""


async def _called(world: World, case: Case, fields: Fields) -> tuple[str, str]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await getattr(world.kubelet.client, case.rpc)(**fields)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""
    except TimeoutError:
        return "NO ANSWER", f"within {ANSWER_SECONDS:g} s"
    return "OK", ""


async def _hung_up(world: World, case: Case, fields: Fields, fault: Fault) -> tuple[str, str]:
    """Call, and hang up while the hop is under way."""
    calling = asyncio.create_task(_called(world, case, fields))
    async with asyncio.timeout(ANSWER_SECONDS):
        while not fault.struck and not calling.done():
            await asyncio.sleep(0.5)
    calling.cancel()
    try:
        return await calling
    except asyncio.CancelledError:
        return "CANCELLED", ""
