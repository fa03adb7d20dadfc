"""The local listener: who is answered, what is listed, and what becomes of those that watch too slowly."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from cri_shim import http_limits
from cri_shim.explorer import live
from cri_shim.explorer.http_server import ADDRESS_FILE, HttpListener
from cri_shim.explorer.live import MOST_WATCHERS, QUEUED, LiveFeed
from cri_shim.explorer.web_sources import WebSources
from cri_shim.http_limits import ConnectionLimits
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.request import Request
from cri_shim.terminal.fetch import Explorer, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE = 20.0


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def listener(ledger: Ledger, tmp_path: Path) -> AsyncIterator[HttpListener]:
    sources = WebSources(
        ledger,
        metrics=lambda accept: (f"m 1 {accept}\n".encode(), "text/plain"),
        node=lambda: {"pods": 0},
        reads=frozenset({"Version"}),
    )
    one = HttpListener("127.0.0.1:0", tmp_path, sources)
    one.bind()
    yield one
    await one.stop()


async def ask(listener: HttpListener, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{listener.address}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


def watchers(ledger: Ledger) -> int:
    """How many follow the ledger."""
    return len(ledger._listeners)


async def test_the_address_in_use_is_published_and_taken_back(listener: HttpListener, tmp_path: Path):
    """Port 0 takes a free one; the file names it, and goes when the listener does."""
    assert (tmp_path / ADDRESS_FILE).read_text() == f"{listener.address}\n"
    assert (await ask(listener, "/api/node"))[0] == 200
    await listener.stop()
    assert not (tmp_path / ADDRESS_FILE).exists()


async def test_a_port_that_is_taken_does_not_raise(ledger: Ledger, tmp_path: Path):
    """The daemon goes on without a page."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sources = WebSources(ledger, metrics=lambda _: (b"", "text/plain"), node=dict)
        one = HttpListener(f"127.0.0.1:{taken.getsockname()[1]}", tmp_path, sources)
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
async def test_names_of_others_are_refused(listener: HttpListener, host: str, status: int):
    """A web site whose name was bound to loopback anew reads nothing."""
    assert (await ask(listener, "/api/node", Host=host))[0] == status


async def test_nothing_can_be_changed(listener: HttpListener):
    """There is no other method than GET, and no way out of the page's folder."""
    assert (await ask(listener, "/api/requests", "POST"))[0] == 405
    assert (await ask(listener, "/page/..%2Fweb.py"))[0] == 404
    assert (await ask(listener, "/v1/traces", "POST"))[0] == 404
    assert (await ask(listener, "/api/live", "HEAD"))[0] == 405  # its answer would have a body, and no end


async def test_the_page_may_run_only_its_own_scripts(listener: HttpListener):
    """The policy allows nothing inline and nothing from elsewhere, and no other origin is let in."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{listener.address}/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "<script>" not in await answer.text()


async def test_a_request_is_not_part_of_its_own_typical_shape(listener: HttpListener, ledger: Ledger):
    """Of three, each is compared with the other two; the slow one is not its own measure."""
    for wall in (0.0, 0.0, 60.0):
        request = ledger.open("RunPodSandbox")
        request.started -= wall
        ledger.close(request)
    counts = [json.loads((await ask(listener, f"/api/requests/{number}"))[1])["typical"] for number in (1, 3)]
    assert [one["count"] for one in counts] == [2, 2]
    assert counts[0]["wall_ms"] > 20_000
    assert counts[1]["wall_ms"] < 20_000


async def test_lists_newest_first_with_those_that_run(listener: HttpListener, ledger: Ledger):
    """What runs is there; reads can be left out; a method can be chosen."""
    for method in ("RunPodSandbox", "Version"):
        ledger.close(ledger.open(method))
    ledger.open("PullImage")
    ledger.active_requests[99] = Request(99, "Version", "v1")

    async def list_requests(query: str) -> list[tuple[str, bool]]:
        requests = json.loads((await ask(listener, f"/api/requests{query}"))[1])["requests"]
        return [(one["method"], one["running"]) for one in requests]

    assert await list_requests("") == [
        ("Version", True),
        ("PullImage", True),
        ("Version", False),
        ("RunPodSandbox", False),
    ]
    assert await list_requests("?reads=0") == [("PullImage", True), ("RunPodSandbox", False)]
    assert await list_requests("?method=Version&limit=5") == [("Version", True), ("Version", False)]
    assert (await ask(listener, "/api/requests?limit=x"))[0] == 400
    assert (await ask(listener, "/api/requests/77"))[0] == 404


async def test_how_transport_is_estimated_is_shown(listener: HttpListener, ledger: Ledger):
    """The curve and what is compared, empty at first."""
    empty = json.loads((await ask(listener, "/api/calibration"))[1])
    assert (empty["curve"], empty["agreement"]["requests"]) == ([], {"total": None, "methods": []})
    ledger.transport.curve.note(0.01, 0.0008)
    (point,) = json.loads((await ask(listener, "/api/calibration"))[1])["curve"]
    assert (point["gap_ms"], point["null_call_ms"], point["samples"]) == (10.0, 0.8, 1)


async def test_live_events_follow_a_request_from_start_to_end(listener: HttpListener, ledger: Ledger):
    """The stream has the request's start and its summary; there is no observer before or after."""
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


async def test_a_slow_watcher_learns_what_was_lost(ledger: Ledger):
    """What waits is bounded; the client learns of a gap at once, although nothing else may happen for hours."""
    due: list[Callable[[], None]] = []
    feed = LiveFeed(ledger, lambda _seconds, flush: due.append(flush))
    with feed.watching() as slow, feed.watching() as quick:
        for _ in range(QUEUED + 2):
            ledger.open("Version")
            while due:
                due.pop()()
        for watcher in (slow, quick):
            events = await watcher.next()
            assert events.count(b"event: start\n") == QUEUED
            assert events.endswith(b'event: lost\ndata: {"events":2}\n\n')
        ledger.open("Version")
        due.pop()()
        event = await slow.next()
    assert event.startswith(b"event: start\n")
    assert event.count(b"event: ") == 1
    assert watchers(ledger) == 0


async def test_each_event_is_written_once_for_all_who_watch(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    """The ledger has one listener, and what happens within a moment goes out in one piece, the same for all."""
    written: list[str] = []

    def write(name: str, _data: object) -> bytes:
        written.append(name)
        return f"{name} ".encode()

    monkeypatch.setattr(live, "event", write)
    due: list[Callable[[], None]] = []
    feed = LiveFeed(ledger, lambda _seconds, flush: due.append(flush))
    with ExitStack() as stack:
        many = [stack.enter_context(feed.watching()) for _ in range(20)]
        assert watchers(ledger) == 1
        ledger.close(ledger.open("Version"))
        assert len(due) == 1
        due.pop()()
        assert {await one.next() for one in many} == {b"start end "}
    assert sorted(written) == ["end", "start"], "each once; the start becomes text when it is sent"


async def test_no_more_than_some_may_watch(listener: HttpListener, ledger: Ledger):
    """The next is refused in words; one that leaves makes room at once."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        url = f"http://{listener.address}/api/live"
        many = [await session.get(url) for _ in range(MOST_WATCHERS)]
        assert (await session.get(f"{url}?refused=json")).status == 204, "a browser shows no error, and tries again"
        async with session.get(url) as refused:
            assert refused.status == 503
            assert "clients watch already" in await refused.text()
        host, port = listener.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 503 " in await asyncio.wait_for(reader.read(), http_limits.PATIENCE / 2)  # closed at once
        writer.close()
        assert watchers(ledger) == 1
        many.pop().close()
        async with asyncio.timeout(PATIENCE):
            while (again := await session.get(url)).status == 503:
                await asyncio.sleep(0.05)
        assert again.status == 200
        for one in (again, *many):
            one.close()


@pytest.mark.parametrize(
    "path",
    [
        f"/api/requests/{'9' * 5000}",
        f"/api/requests?limit={'9' * 5000}",
        "/api/requests/-1",
        "/api/requests/x",
        "/api/requests?limit=-1",
        "/api/requests?limit=%C2%B2",
        "/api/requests?limit=",
        "/api/requests?limit=1e9",
    ],
)
async def test_numbers_that_are_none_are_refused_in_words(listener: HttpListener, path: str):
    """A path or a query may hold anything."""
    status, text = await ask(listener, path)
    assert (status, "is a number of at most 18 digits" in text) == (400, True)


async def test_a_page_of_another_origin_is_not_answered(listener: HttpListener):
    """It could not read a stream, but it could hold all places of those who may."""
    assert (await ask(listener, "/api/node", Origin="http://evil.example"))[0] == 403
    assert (await ask(listener, "/api/node", Origin=f"http://{listener.address}"))[0] == 200


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers with less patience than usual."""
    monkeypatch.setattr(http_limits, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(ConnectionLimits.__init__, "__kwdefaults__", {"patience": 0.5})


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/node HT", b"GET / HTTP/1.1\r\nX: ", b"GET /api/node HTTP/1.1\r\n\r\n"]
)
async def test_half_a_request_and_an_idle_connection_end(listener: HttpListener, sent: bytes):
    """Whatever came so far, the connection is closed; others are answered meanwhile."""
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    assert (await ask(listener, "/api/node"))[0] == 200
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()


async def test_too_many_connections_are_refused(listener: HttpListener):
    """One beyond the limit gets an answer, and those that wait are as many as they may be."""
    await ask(listener, "/api/node")
    assert listener._site is not None
    assert listener._site._limits is not None
    listener._site._limits._most = 3
    host, port = listener.address.split(":")
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
    answers = [asyncio.create_task(reader.read()) for reader, _ in idle]
    done, _ = await asyncio.wait(answers, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    assert all(b"503 " in one.result() and b"connections are waiting already" in one.result() for one in done)
    for task, (_, writer) in zip(answers, idle, strict=True):
        task.cancel()
        writer.close()


class Spans:
    """What takes exports."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def take(self, body: bytes, _kind: str) -> bytes:
        """Remember one."""
        self.taken.append(body)
        return b"thanks"


@pytest.fixture
async def spans(ledger: Ledger, tmp_path: Path) -> AsyncIterator[tuple[Spans, HttpListener]]:
    taker = Spans()
    sources = WebSources(ledger, metrics=lambda _: (b"", "text/plain"), node=dict, take_spans=taker.take)
    one = HttpListener(
        "127.0.0.1:0",
        tmp_path,
        sources,
    )
    one.bind()
    yield taker, one
    await one.stop()


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        (b"x" * 1000, "identity", 200, "thanks"),
        (gzip.compress(b"x" * 1000), "gzip", 200, "thanks"),
        (gzip.compress(b"x" * 1000), "GZIP", 200, "thanks"),
        (zlib.compress(b"x" * 1000), "deflate", 200, "thanks"),
        (b"x" * (5 << 20), "identity", 413, ""),
        (gzip.compress(bytes(64 << 20)), "gzip", 413, "an export may have 4194304 bytes"),
        (gzip.compress(b"x" * 1000)[:-9], "gzip", 400, "not complete"),
        (b"x" * 1000, "gzip", 400, "the body is not gzip"),
        (b"x" * 1000, "br", 400, "is not supported"),
    ],
)
async def test_exports_are_inflated_and_bounded(spans, body: bytes, encoding: str, status: int, words: str):
    """What exporters compress is taken; what would become too large is refused before it does."""
    taker, listener = spans
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://{listener.address}/v1/traces",
            data=body,
            headers={"Content-Encoding": encoding, "Content-Type": "application/x-protobuf"},
        ) as answer,
    ):
        assert answer.status == status
        assert words in await answer.text()
    assert taker.taken == ([b"x" * 1000] if status == 200 else [])


async def test_what_the_daemon_refuses_is_said_in_the_terminal(listener: HttpListener):
    """An answer that is no JSON is no traceback."""
    with pytest.raises(UnreachableError, match="answers 400: limit is a number"):
        await asyncio.to_thread(Explorer(listener.address).get, "/api/requests", limit="x")


async def _lines(answer: aiohttp.ClientResponse, count: int) -> AsyncIterator[str]:
    for _ in range(count):
        yield (await answer.content.readline()).decode().strip()


async def test_what_is_not_http_fills_no_log(listener: HttpListener, caplog: pytest.LogCaptureFixture):
    """The client gets an answer; an error with a traceback would be one that any client can cause."""
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert not caplog.records
