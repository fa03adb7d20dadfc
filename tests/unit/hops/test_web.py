"""The local listener: who is answered, what is listed, and what becomes of those that watch too slowly."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from cri_shim.hops.ledger import Ledger
from cri_shim.hops.listener import ADDRESS_FILE, Listener
from cri_shim.hops.live import QUEUED, watching
from cri_shim.hops.request import Request
from cri_shim.hops.web_sources import WebSources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def listener(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Listener]:
    sources = WebSources(ledger, metrics=lambda: b"m 1\n", node=lambda: {"pods": 0}, reads=frozenset({"Version"}))
    one = Listener("127.0.0.1:0", tmp_path, sources)
    one.bind()
    yield one
    await one.stop()


async def ask(listener: Listener, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{listener.address}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


def watchers(ledger: Ledger) -> int:
    """How many follow the ledger."""
    return len(ledger._listeners)


async def test_the_address_in_use_is_told_and_taken_back(listener: Listener, tmp_path: Path):
    """Port 0 takes a free one; the file names it, and goes when the listener does."""
    assert (tmp_path / ADDRESS_FILE).read_text() == f"{listener.address}\n"
    assert (await ask(listener, "/api/node"))[0] == 200
    await listener.stop()
    assert not (tmp_path / ADDRESS_FILE).exists()


async def test_a_port_that_is_taken_does_not_raise(ledger: Ledger, tmp_path: Path):
    """The daemon goes on without a page."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sources = WebSources(ledger, metrics=lambda: b"", node=dict)
        one = Listener(f"127.0.0.1:{taken.getsockname()[1]}", tmp_path, sources)
        one.bind()
        assert one.address == ""
        assert not (tmp_path / ADDRESS_FILE).exists()
        await one.stop()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:9", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
async def test_names_of_others_are_refused(listener: Listener, host: str, status: int):
    """A web site whose name was bound to loopback anew reads nothing."""
    assert (await ask(listener, "/api/node", Host=host))[0] == status


async def test_nothing_can_be_changed(listener: Listener):
    """There is no other method than GET, and no way out of the page's folder."""
    assert (await ask(listener, "/api/requests", "POST"))[0] == 405
    assert (await ask(listener, "/page/..%2Fweb.py"))[0] == 404
    assert (await ask(listener, "/v1/traces", "POST"))[0] == 404


async def test_the_page_may_run_only_its_own_scripts(listener: Listener):
    """The policy allows nothing inline and nothing from elsewhere, and no other origin is let in."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{listener.address}/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "<script>" not in await answer.text()


async def test_lists_newest_first_with_those_that_run(listener: Listener, ledger: Ledger):
    """What runs is there; reads can be left out; a method can be chosen."""
    for method in ("RunPodSandbox", "Version"):
        ledger.close(ledger.open(method))
    ledger.open("PullImage")
    ledger.in_hand[99] = Request(99, "Version", "v1")

    async def listed(query: str) -> list[tuple[str, bool]]:
        found = json.loads((await ask(listener, f"/api/requests{query}"))[1])["requests"]
        return [(one["method"], one["running"]) for one in found]

    assert await listed("") == [("Version", True), ("PullImage", True), ("Version", False), ("RunPodSandbox", False)]
    assert await listed("?reads=0") == [("PullImage", True), ("RunPodSandbox", False)]
    assert await listed("?method=Version&limit=5") == [("Version", True), ("Version", False)]
    assert (await ask(listener, "/api/requests?limit=x"))[0] == 400
    assert (await ask(listener, "/api/requests/77"))[0] == 404


async def test_live_events_tell_a_request_from_start_to_end(listener: Listener, ledger: Ledger):
    """The stream has the request's start and its summary; nobody listens before or after."""
    assert watchers(ledger) == 0
    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://{listener.address}/api/live") as live,
    ):
        while watchers(ledger) == 0:
            await asyncio.sleep(0.01)
        request = ledger.open("RunPodSandbox")
        ledger.close(request)
        lines = [line async for line in _lines(live, 6)]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event")] == ["start", "end"]
    summary = json.loads(next(line for line in reversed(lines) if line.startswith("data"))[6:])
    assert summary["bill"]["wall_ms"] == round(request.bill.wall * 1000, 3)


async def test_who_watches_too_slowly_is_told_what_was_lost(ledger: Ledger):
    """The queue is bounded; after a gap the client learns of it before it gets the next event."""
    with watching(ledger) as watcher:
        for _ in range(QUEUED):
            ledger.open("Version")
        ledger.open("Version")
        ledger.open("Version")
        for _ in range(10):
            await watcher.next()
        ledger.open("Version")
        rest = [await watcher.next() for _ in range(QUEUED - 10 + 2)]
    assert rest[-2] == b'event: lost\ndata: {"events":2}\n\n'
    assert rest[-1].startswith(b"event: start\n")
    assert watchers(ledger) == 0


async def _lines(answer: aiohttp.ClientResponse, count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield (await answer.content.readline()).decode().strip()
