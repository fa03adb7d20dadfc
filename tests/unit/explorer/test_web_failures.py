"""The local listener where something fails: a disk without room, and a client that hangs up."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from cri_shim.explorer import http_server
from cri_shim.explorer.http_server import ADDRESS_FILE, HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def sources(ledger: Ledger) -> WebSources:
    return WebSources(ledger, metrics=lambda _: (b"", "text/plain"), node=dict)


async def test_an_address_that_cannot_be_published_does_not_raise(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The disk is full: the listener answers, and no half of an address misleads the terminal commands."""

    def full(path: Path, _data: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(http_server, "write_file", full)
    one = HttpListener("127.0.0.1:0", tmp_path, sources(ledger))
    with capture_logs() as logs:
        one.bind()
    assert [each["event"] for each in logs] == ["http.address_not_written", "http.listening"]
    assert not (tmp_path / ADDRESS_FILE).exists()
    async with aiohttp.ClientSession() as session, session.get(f"http://{one.address}/api/node") as answer:
        assert answer.status == 200
    await one.stop()


async def test_a_watcher_that_hangs_up_fills_no_log(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """It may do so at the moment at which an event is sent to it."""
    one = HttpListener("127.0.0.1:0", tmp_path, sources(ledger))
    one.bind()
    gone = asyncio.Event()

    async def write(_response: web.StreamResponse, _data: bytes) -> None:
        gone.set()
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async with aiohttp.ClientSession() as session, session.get(f"http://{one.address}/api/live"):
        monkeypatch.setattr(web.StreamResponse, "write", write)
        ledger.close(ledger.open("Version"))
        await asyncio.wait_for(gone.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while ledger._listeners:
                await asyncio.sleep(0.01)
    assert not caplog.records
    await one.stop()
