"""The queue between the pump's thread and a listener."""

from __future__ import annotations

import asyncio
import threading

from cri_shim.logs.format import STDERR, STDOUT
from cri_shim.logs.tap import Tap


async def test_bytes_from_another_thread_arrive_in_order_until_the_end() -> None:
    """What a thread puts in comes out in order; empty data ends the iteration."""
    tap = Tap()

    def feed() -> None:
        for number in range(500):
            assert tap(STDERR if number % 2 else STDOUT, b"%d," % number)
        assert not tap(STDOUT, b"")

    thread = threading.Thread(target=feed)
    thread.start()
    async with asyncio.timeout(20):
        got = [item async for item in tap]
    thread.join()
    assert got == [(STDERR if n % 2 else STDOUT, b"%d," % n) for n in range(500)]


async def test_a_listener_that_falls_behind_is_cut_off_after_what_it_was_given() -> None:
    """Over the limit the tap declines, keeps what it had, and says why it ended."""
    tap = Tap(limit=10)
    assert tap(STDOUT, b"123456")
    assert not tap(STDOUT, b"7890a")
    assert not tap(STDOUT, b"b")
    assert [item async for item in tap] == [(STDOUT, b"123456")]
    assert tap.overflowed


async def test_room_comes_back_when_the_listener_reads() -> None:
    """The limit is on what is queued, not on what went through."""
    tap = Tap(limit=10)
    stream = tap.__aiter__()
    for _ in range(5):
        assert tap(STDOUT, b"x" * 10)
        assert await anext(stream) == (STDOUT, b"x" * 10)
    assert not tap.overflowed


async def test_closing_ends_the_iteration_and_declines_what_comes_later() -> None:
    """A listener that leaves costs the pump one declined call."""
    tap = Tap()
    assert tap(STDOUT, b"unread")
    tap.close()
    assert [item async for item in tap] == []
    assert not tap(STDOUT, b"more")


def test_a_tap_whose_loop_is_gone_declines() -> None:
    """A callback after the loop was closed does not raise in the pump's thread."""

    async def make() -> Tap:
        return Tap()

    assert not asyncio.run(make())(STDOUT, b"late")
