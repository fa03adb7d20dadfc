"""What is refused: with the status of an error, or as an answer for a page that must not have errors in its console."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.ledger import Ledger
from tests.unit.explorer.test_web import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[HttpListener]:
    sources = WebSources(Ledger(), metrics=lambda _: (b"", "text/plain"), node=lambda: {"pods": 0})
    one = HttpListener("127.0.0.1:0", tmp_path, sources)
    one.bind()
    yield one
    await one.stop()


@pytest.mark.parametrize("path", ["/api/requests/7", "/api/pods/7"])
async def test_what_is_absent_is_null_for_whom_asks_so(listener: HttpListener, path: str):
    """A browser shows each 404 as an error of the page; without ``absent=null``, it stays one."""
    assert (await ask(listener, path))[0] == 404
    assert await ask(listener, f"{path}?absent=null") == (200, "null")
    assert (await ask(listener, f"{path}?absent=no"))[0] == 404


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/requests/7", 404, "not remembered"),
        ("/api/requests/seven", 400, "the id of a request is a number"),
        (f"/api/requests?search={'x' * 300}", 400, "at most 200 characters"),
        ("/api/requests?limit=-1", 400, "limit is a number"),
        ("/api/pods/7", 404, "does not exist"),
        ("/api/pods/%C3%A9", 400, "ASCII"),
        ("/api/pods/", 404, "the explorer is at /"),
        ("/pods", 404, "there is no /pods here"),
    ],
)
async def test_a_refusal_is_an_answer_for_whom_asks_so(listener: HttpListener, path: str, status: int, why: str):
    """The page asks for each with ``refused=json``, so that the console stays empty; others get the status."""
    plain = await ask(listener, path)
    assert plain[0] == status
    assert why in plain[1]
    answer = await ask(listener, f"{path}{'&' if '?' in path else '?'}refused=json")
    assert answer[0] == 200
    assert json.loads(answer[1]) == {"refused": {"status": status, "message": plain[1].strip()}}


async def test_another_origin_is_refused_in_any_case(listener: HttpListener):
    """What keeps other web sites out has the status of an error, whatever they ask for."""
    assert (await ask(listener, "/api/node?refused=json", Origin="http://evil.example"))[0] == 403
    assert (await ask(listener, "/api/node?refused=json", "POST"))[0] == 405
