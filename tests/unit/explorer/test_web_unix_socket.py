"""The local listener on a unix socket: who may connect, and what becomes of the file."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cri_shim.explorer import http_server as listener_module
from cri_shim.explorer.http_server import ADDRESS_FILE, HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.ledger import Ledger
from cri_shim.terminal.fetch import Explorer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 20.0


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def on_socket(ledger: Ledger, tmp_path: Path) -> AsyncIterator[tuple[HttpListener, Path]]:
    path = tmp_path / "run" / "http.sock"
    sources = WebSources(ledger, metrics=lambda _: (b"m 1\n", "text/plain"), node=lambda: {"pods": 0})
    one = HttpListener(f"unix://{path}", tmp_path, sources)
    one.bind()
    yield one, path
    await one.stop()


async def over_unix(path: Path, host: str = "") -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    header = f"Host: {host}\r\n" if host else ""
    writer.write(f"GET /api/node HTTP/1.0\r\n{header}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return answer


async def test_a_unix_socket_is_for_root_and_its_group(on_socket, tmp_path: Path):
    """Mode 0660, whatever Host the client names; terminal commands find it; it goes with the listener."""
    listener, path = on_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert (tmp_path / ADDRESS_FILE).read_text() == f"unix://{path}\n"
    assert b'"pods": 0' in await over_unix(path)
    assert b'"pods": 0' in await over_unix(path, "any.example")
    for address in (f"unix://{path}", str(path)):
        assert (await asyncio.to_thread(Explorer(address).get, "/api/node"))["pods"] == 0
    await listener.stop()
    assert not path.exists()
    assert not path.parent.exists(), "the lock beside it goes, too, and so does the directory that was made for both"


@pytest.mark.parametrize("asked_before", [False, True])
async def test_a_deleted_unix_socket_is_made_again(on_socket, monkeypatch, asked_before: bool):
    """Whether or not there was a client before."""
    monkeypatch.setattr(listener_module, "POLL_SECONDS", 0.05)
    listener, path = on_socket
    if asked_before:
        await over_unix(path)
    watching = asyncio.create_task(listener.watch())
    for _ in range(2):
        path.unlink()
        async with asyncio.timeout(PATIENCE):
            while not path.exists():
                await asyncio.sleep(0.01)
        assert b'"pods": 0' in await over_unix(path)
    watching.cancel()


async def test_a_directory_that_others_use_stays(on_socket):
    """The listener removes only what it has made, and only if it is empty."""
    listener, path = on_socket
    (path.parent / "of-another").touch()
    await listener.stop()
    assert [one.name for one in path.parent.iterdir()] == ["of-another"]


async def test_a_socket_that_was_left_behind_is_replaced_and_a_living_one_is_not(ledger: Ledger, tmp_path: Path):
    """A second daemon and another program are left alone; so is a file that is no socket."""
    path = tmp_path / "http.sock"
    sources = WebSources(ledger, metrics=lambda _: (b"", "text/plain"), node=lambda: {"pods": 0})
    with closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(str(path))
    first = HttpListener(f"unix://{path}", tmp_path, sources)
    first.bind()
    (tmp_path / "other").mkdir()
    second = HttpListener(f"unix://{path}", tmp_path / "other", sources)
    second.bind()
    assert (second.address, first.address) == ("", f"unix://{path}")
    await second.stop()
    assert b'"pods": 0' in await over_unix(path)
    await first.stop()
    path.write_text("precious")
    third = HttpListener(f"unix://{path}", tmp_path, sources)
    third.bind()
    await third.stop()
    assert path.read_text() == "precious"
