"""The answer about one request with thousands of hops: the daemon's event loop never waits for much of it at once."""

from __future__ import annotations

import json
import statistics
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from containerd_client.hops import Hop
from cri_shim.explorer import in_pieces, list_answer
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger import billing, critical_path, record_json, typical
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.packed import PackedRequest
from cri_shim.ledger.steps import ROWS, mapped, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOPS = 2000
COUNTED = ("shares", "median", "text", "unpacked", "step")


class Work:
    """How often each kind of work was done since the event loop could last do something else, at most."""

    def __init__(self) -> None:
        self.most = dict.fromkeys(COUNTED, 0)
        self._now = dict.fromkeys(COUNTED, 0)

    def counting(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def counted(*args: Any, **named: Any) -> Any:
            self._now[kind] += 1
            self.most[kind] = max(self.most[kind], self._now[kind])
            return call(*args, **named)

        return counted

    async def sleep(self, _seconds: float) -> None:
        """What the answer does to let the event loop do something else."""
        self._now = dict.fromkeys(COUNTED, 0)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Count, and pause after each step, as if each had taken long."""
    counts = Work()
    monkeypatch.setattr(in_pieces, "PIECE", 0.0)
    monkeypatch.setattr(in_pieces, "sleep", counts.sleep)
    monkeypatch.setattr(record_json, "hop_shares", counts.counting("shares", billing.hop_shares))
    monkeypatch.setattr(typical, "median", counts.counting("median", statistics.median))
    monkeypatch.setattr(critical_path, "Step", counts.counting("step", critical_path.Step))
    monkeypatch.setattr(list_answer, "json", SimpleNamespace(dumps=counts.counting("text", json.dumps)))
    monkeypatch.setattr(PackedRequest, "request", counts.counting("unpacked", PackedRequest.request))
    return counts


async def test_no_piece_has_all_hops(work: Work, tmp_path: Path):
    """Shares, medians, the critical path and text are made for a few of them at a time, and one request is unpacked."""
    ledger = Ledger()
    for _ in range(4):
        request = ledger.open("RunPodSandbox")
        request.started -= HOPS
        for number in range(HOPS):
            ledger.note_hop(Hop(f"a.v1.Tasks/{number % 7}", request.started + number, 0.5, 1, 1, 1, "OK"))
        ledger.close(request)
    sources = WebSources(ledger, metrics=lambda _: (b"", ""), node=dict, reads=frozenset())
    listener = HttpListener("127.0.0.1:0", tmp_path, sources)
    listener.bind()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{listener.address}/api/requests/{request.id}") as response,
        ):
            answer = await response.json()
    finally:
        await listener.stop()
    assert len(answer["hops"]) == len(answer["typical"]["hops"]) == HOPS
    assert len(answer["critical_path"]) > HOPS
    assert all(0 < most <= 2 * ROWS for most in work.most.values()), work.most
    assert work.most["unpacked"] == 1 + 1  # the request itself, and the first of those that it is compared with


def test_an_active_request_may_go_on_between_two_steps():
    """What its record says is of one moment: a hop that ends meanwhile is not in it twice."""
    ledger = Ledger()
    request = ledger.open("PullImage")
    for number in range(2 * ROWS):
        ledger.note_hop(Hop("a.v1.Content/Read", request.started + number, 0.5, 1, 1, 1, "OK"))
    ledger.note_call("a.v1.Content/Write", request.started)
    steps = record_json.record(request)
    next(steps)
    ledger.note_hop(Hop("a.v1.Content/Write", request.started, 0.5, 1, 1, 1, "OK"))
    ledger.close(request)
    record = whole(steps)
    assert (record["running"], record["hop_count"], len(record["hops"])) == (True, 2 * ROWS + 1, 2 * ROWS + 1)


def test_the_rows_of_steps():
    """All of them, in order, and a step that ends after each ``ROWS`` and after the last."""
    steps = mapped(str, range(2 * ROWS + 1))
    assert sum(1 for _ in steps) == 3
    assert whole(mapped(str, range(2 * ROWS + 1))) == [str(number) for number in range(2 * ROWS + 1)]
    assert whole(mapped(str, ())) == []
