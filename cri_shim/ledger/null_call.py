"""What a call to containerd takes when there is nothing to do: the measure of transport where it exports no spans.

``Version`` on the same connection as everything else, at the gaps that real hops have: the second of two calls that lie
0, 1, 10, 100 ms and 1 s apart, while no request is in hand, gives the curve; one more carries bytes. While requests are
worked on, the second of two calls one right after the other says how much longer they take then. A single call would
say little: at a random moment it meets the connection colder and the loop busier than hops do that follow each other.

All of it is a trickle. A round of the curve takes seven calls and is made every half minute. What is made beside
requests is paid for by their hops, two calls for a hundred of them and once a second at most; and none is made while
containerd is away.
"""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from containerd_client import ContainerdError, call_options
from containerd_client.encoding.varint import varint
from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.ledger.transport.byte_cost import PAYLOAD
from cri_shim.ledger.transport.gap_curve import GAPS
from cri_shim.ledger.transport.load_factor import level_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client import Containerd
    from containerd_client.hops import Hop
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.ledger.request import Request

ROUNDS_AT_START: Final = 3
"""Rounds of the curve one after the other."""
EVERY: Final = 30.0
"""Seconds between rounds after that."""
SOON: Final = 0.1
"""Seconds until the next try when a request came in."""
GIVEN_UP: Final = 1.0
"""Seconds after which a call does not count."""
PAUSE: Final = 1.0
"""Seconds between two measurements beside requests, at least; while containerd is away, between looks."""
CALLS_AT_START: Final = 20.0
"""Calls beside requests that are allowed before any hop has paid for them."""
CALLS_PER_HOP: Final = 0.02
"""And how many each hop pays for."""
_OFF_BEAT: Final = 0.05  # seconds within which the moment for a measurement beside requests is drawn
_UNKNOWN_FIELD: Final = b"\xfa\x3f"  # number 2047, of bytes: containerd passes over what it does not know


class NullCall(LedgerObserver):
    """Keeps :attr:`~cri_shim.ledger.ledger.Ledger.transport` up to date; ``ready`` says whether containerd is there."""

    def __init__(self, client: Containerd, ledger: Ledger, ready: Callable[[], bool] = lambda: True) -> None:
        self._client = client
        self._ledger = ledger
        self._transport = ledger.transport
        self._ready = ready
        self._paid = CALLS_AT_START
        self._wanted = asyncio.Event()
        self._measured_beside = 0.0
        self._rounds = 0

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """Wake up if a measurement beside requests is due and paid for."""
        if request is not None:
            paid = self._paid = min(CALLS_AT_START, self._paid + CALLS_PER_HOP)
            if paid >= 2.0 and hop.started - self._measured_beside > PAUSE:
                self._wanted.set()

    async def run(self) -> None:
        """Go on for ever."""
        self._ledger.listen(self)
        due, again = perf_counter(), SOON
        try:
            while True:
                if not self._ready():
                    await asyncio.sleep(PAUSE)
                elif (left := due - perf_counter()) > 0.0:
                    if await self._woken(left):
                        await self.measure_beside()
                elif self._rounds and not self._ledger.idle:
                    due = perf_counter() + SOON
                elif await self.measure_round():
                    due, again = perf_counter() + (EVERY if self._rounds >= ROUNDS_AT_START else 0.0), SOON
                else:
                    due, again = perf_counter() + again, min(again * 2, EVERY)
        finally:
            self._ledger.leave(self)

    async def measure_round(self) -> bool:
        """Measure the curve, a gap after the other; False: cut short.

        The first round comes to an end on a node that is never idle, too: something is better known than nothing.
        """
        if await self._call() is None:
            return False
        right_after = 0.0
        for gap in GAPS:
            seconds = await self._call_after(gap)
            if seconds is None:
                return False
            self._transport.curve.note(gap, seconds)
            right_after = right_after or seconds
        with_bytes = await self._call_after(0.0, PAYLOAD)
        if with_bytes is None:
            return False
        self._transport.bytes.note(right_after, with_bytes)
        self._rounds += 1
        return True

    async def _call_after(self, gap: float, payload: int = 0) -> float | None:
        """A call ``gap`` seconds after the one before; None if anything else went on meanwhile, or it did not work."""
        if gap:
            await asyncio.sleep(gap)
        alone = self._ledger.idle and perf_counter() - self._ledger.quiet_since >= gap / 2
        count = self._ledger.count
        seconds = await self._call(payload)
        return seconds if (alone and self._ledger.count == count) or not self._rounds else None

    async def measure_beside(self) -> bool:
        """Measure how much longer a call takes beside requests; False: none is in hand any more, or it did not work."""
        await asyncio.sleep(random.random() * _OFF_BEAT)  # noqa: S311 - a moment, not a secret
        self._wanted.clear()
        idle = self._transport.curve.at(0.0)
        if self._ledger.idle or idle is None:
            return False
        self._measured_beside = perf_counter()
        self._paid -= 2.0
        if await self._call() is None:
            return False
        busy = self._ledger.busy
        second = await self._call()
        if second is None or not busy:
            return False
        self._transport.load.note(level_of(busy), second / idle.seconds, perf_counter())
        return True

    async def _call(self, payload: int = 0) -> float | None:
        """Make one call; its seconds, or None if containerd did not answer in time."""
        message = Empty() if not payload else Empty.FromString(_UNKNOWN_FIELD + varint(payload) + bytes(payload))
        self._transport.null_calls += 1
        started = perf_counter()
        try:
            with call_options(timeout=GIVEN_UP):
                await self._client.version.get(message)
        except ContainerdError:
            return None
        seconds = perf_counter() - started
        return seconds if seconds < GIVEN_UP else None

    async def _woken(self, seconds: float) -> bool:
        """Wait until a measurement beside requests is wanted, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True
