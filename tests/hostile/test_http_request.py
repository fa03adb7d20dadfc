"""The HTTP listener answers what is wrong with a request, in words where they are ours, and logs no traceback."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.ledger import Ledger
from tests.hostile.inputs import Input, every

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 20.0


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[HttpListener]:
    one = HttpListener("127.0.0.1:0", tmp_path, WebSources(Ledger(), metrics=lambda _: (b"", "text/plain"), node=dict))
    one.bind()
    yield one
    await one.stop()


@every("http-request")
async def test_a_request_is_answered(listener: HttpListener, caplog: pytest.LogCaptureFixture, given: Input):
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(given.data)
    answer = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
    writer.close()
    status = int(answer.split(" ", 2)[1])
    assert status == given.expectation["status"]
    assert given.accepted == (status < 300)
    assert given.expectation["said"] in answer
    assert not caplog.records
