"""Measure calls to containerd that do nothing: the basis of transport where containerd exports no spans.

The null call is ``Version`` on the same connection as everything else, after the same gaps as real hops. While no
request is active, the second of two calls that lie 0, 1, 10, 100 ms and 1 s apart gives the curve; one more carries
bytes. While requests are active, the second of two calls in immediate succession shows how much longer they take then.
A single call would say little: at a random moment it meets a colder connection and a busier loop than the hops of a
request, which follow each other.

All of this is a trickle. A round of the curve takes seven calls and is made every half minute while requests make hops;
on a quiet node, whose requests are answered from memory, every five minutes. Hops pay for the calls made while requests
are active: two calls for each hundred hops, and at most one measurement a second. No call is made while containerd is
away.
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
from cri_shim.ledger.transport.gap_curve import GAPS, ROUNDS_AT_START
from cri_shim.ledger.transport.load_factor import level_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client import Containerd
    from containerd_client.hops import Hop
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.ledger.request import Request

EVERY: Final = 30.0
"""Seconds between later rounds while requests make hops."""
RARELY: Final = 300.0
"""Seconds between later rounds while they make hardly any."""
WORTH_A_ROUND: Final = 10
"""How many hops of requests since the last round make the next one due."""
SOON: Final = 0.1
"""Seconds until the next attempt after a request interrupted one."""
GIVEN_UP: Final = 1.0
"""Seconds after which a call is abandoned and does not count."""
PAUSE: Final = 1.0
"""The least seconds between two measurements beside requests; while containerd is away, between two checks for it."""
CALLS_AT_START: Final = 20.0
"""How many calls beside requests are allowed before any hop has paid for one."""
CALLS_PER_HOP: Final = 0.02
"""How many calls each hop pays for."""
_OFF_BEAT: Final = 0.05  # a measurement beside requests starts at a random moment within these seconds
_UNKNOWN_FIELD: Final = b"\xfa\x3f"  # number 2047, of bytes: containerd ignores unknown fields


class NullCall(LedgerObserver):
    """Keeps :attr:`~cri_shim.ledger.ledger.Ledger.transport` up to date; ``ready``: whether containerd is connected."""

    def __init__(self, client: Containerd, ledger: Ledger, ready: Callable[[], bool] = lambda: True) -> None:
        self._client = client
        self._ledger = ledger
        self._transport = ledger.transport
        self._ready = ready
        self._paid = CALLS_AT_START
        self._wanted = asyncio.Event()
        self._measured_beside = 0.0
        self._rounds = 0
        self._ended = 0.0
        """When the last round ended."""
        self._hops = 0
        """Hops of requests since then."""

    def hopped(self, request: Request | None, hop: Hop) -> None:
        """Wake up if a measurement beside requests is due and paid for."""
        if request is not None:
            self._hops += 1
            paid = self._paid = min(CALLS_AT_START, self._paid + CALLS_PER_HOP)
            if paid >= 2.0 and hop.started - self._measured_beside > PAUSE:
                self._wanted.set()

    async def run(self) -> None:
        """Measure for ever."""
        self._ledger.listen(self)
        due, again = perf_counter(), SOON
        try:
            while True:
                if not self._ready():
                    await asyncio.sleep(PAUSE)
                elif (left := due - perf_counter()) > 0.0:
                    if await self._woken(left):
                        await self.measure_beside()
                elif not self._worth_a_round():
                    due = perf_counter() + EVERY
                elif self._rounds and not self._ledger.idle:
                    due = perf_counter() + SOON
                elif await self.measure_round():
                    due, again = perf_counter() + (EVERY if self._rounds >= ROUNDS_AT_START else 0.0), SOON
                else:
                    due, again = perf_counter() + again, min(again * 2, EVERY)
        finally:
            self._ledger.leave(self)

    def _worth_a_round(self) -> bool:
        """Return whether there is anything to charge by a new curve, or the last one is old."""
        return (
            self._rounds < ROUNDS_AT_START
            or self._hops >= WORTH_A_ROUND
            or perf_counter() - self._ended > RARELY - EVERY / 2
        )

    async def measure_round(self) -> bool:
        """Measure the curve, one gap after the other; return False if it was cut short.

        The first round finishes even on a node that is never idle, because a poor measurement is better than none.
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
        self._ended, self._hops = perf_counter(), 0
        return True

    async def _call_after(self, gap: float, payload: int = 0) -> float | None:
        """Make a call ``gap`` seconds after the last; return its seconds, or None if it failed or was not alone."""
        if gap:
            await asyncio.sleep(gap)
        alone = self._ledger.idle and perf_counter() - self._ledger.quiet_since >= gap / 2
        count = self._ledger.count
        seconds = await self._call(payload)
        return seconds if (alone and self._ledger.count == count) or not self._rounds else None

    async def measure_beside(self) -> bool:
        """Measure how much longer a call takes beside requests; return False if none is active or it failed."""
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
        """Make one call; return its seconds, or None if containerd did not answer in time."""
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
        """Wait until a measurement beside requests is due, for at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True
