"""containerd is away: calls fail soon, with the reason; it comes back: calls work at once."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from containerd_client import Containerd, NotFound, Unavailable, call_options


async def test_away_and_back(own, hops):
    """Killed under a connected client: every call fails within 1.5 s, and soon after the return they succeed."""
    async with Containerd(own.address, namespace="n", on_hop=hops.append) as client:
        await client.version.get()
        await client.containers.list()
        assert "ready" in repr(client)
        await own.kill9()
        for _ in range(3):
            for call in (client.version.get, client.containers.list, lambda: client.containers.delete("x")):
                began = monotonic()
                with call_options(timeout=60), pytest.raises(Unavailable, match=r"refused|closed|reset|No such file"):
                    await call()
                assert monotonic() - began < 1.5
        await asyncio.sleep(3)
        await own.start()
        began = monotonic()
        while True:
            try:
                await client.version.get()
                break
            except Unavailable:  # a loaded machine may need more than one attempt's time to connect
                assert monotonic() - began < 2.5
        await client.containers.list()
        with pytest.raises(NotFound):
            await client.containers.get("x")
        assert monotonic() - began < 3.5


async def test_fifty_calls_through_a_restart(own):
    """Reads in a short restart are repeated or fail with Unavailable; none hangs, and soon all succeed."""
    async with Containerd(own.address, namespace="n") as client:
        await client.version.get()
        stop = asyncio.Event()
        outcomes: list[str] = []

        async def ask() -> None:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(5):
                        await client.version.get()
                    outcomes.append("OK")
                except Unavailable as error:
                    outcomes.append(error.code)
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(ask()) for _ in range(50)]
        await asyncio.sleep(0.2)
        await own.restart()
        await asyncio.sleep(1.5)
        outcomes.clear()
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*tasks)
        assert set(outcomes) == {"OK"}
        assert "0 calls in flight" in repr(client)
