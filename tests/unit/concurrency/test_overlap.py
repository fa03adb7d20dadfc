"""Steps of one request at the same time: who is waited for, who is cut, whose failure is told."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.concurrency.overlap import both, every, overlap


async def value(result, gate=None):
    """Return ``result``, once the gate is open if there is one."""
    if gate is not None:
        await gate.wait()
    return result


async def failing(text, gate=None):
    """Fail, once the gate is open if there is one."""
    await value(None, gate)
    raise RuntimeError(text)


@pytest.mark.parametrize("at_once", [both, overlap])
async def test_both_results(at_once):
    """Results come in the order of the steps, whichever ended first."""
    gate = asyncio.Event()
    asyncio.get_running_loop().call_soon(gate.set)
    assert await at_once(value(1, gate), value(2)) == (1, 2)


async def test_both_are_never_cut():
    """The failure of one is raised when the other has ended, too."""
    gate, ended = asyncio.Event(), []

    async def slow():
        await gate.wait()
        ended.append(True)

    task = asyncio.create_task(both(failing("first"), slow()))
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.set()
    with pytest.raises(RuntimeError, match="first"):
        await task
    assert ended == [True]


@pytest.mark.parametrize("at_once", [both, every])
async def test_the_first_of_two_failures(at_once):
    """Of two failures the one of the earlier step is raised, although it came later."""
    gate = asyncio.Event()
    asyncio.get_running_loop().call_soon(gate.set)
    with pytest.raises(RuntimeError, match="first"):
        await at_once(failing("first", gate), failing("second"))


async def test_what_may_be_cut_is_cut():
    """The abortable step ends with the steady one's failure, which is the one that is raised."""
    cut = []

    async def abortable():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut.append(True)
            raise

    with pytest.raises(RuntimeError, match="steady"):
        await overlap(failing("steady", _soon()), abortable())
    assert cut == [True]


async def test_the_steady_step_ends_first():
    """If the abortable one fails, the steady one is awaited to its end, and then the failure is raised."""
    gate = asyncio.Event()
    task = asyncio.create_task(overlap(value(1, gate), failing("abortable")))
    await asyncio.sleep(0.01)
    assert not task.done()
    gate.set()
    with pytest.raises(RuntimeError, match="abortable"):
        await task


def _soon():
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, gate.set)
    return gate
