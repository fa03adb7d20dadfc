"""``cri-shim hops`` and ``explain`` in front of a listener that is another program's, or of an address that is none."""

from __future__ import annotations

import argparse
import http.server
import os
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.config.schema import Config
from cri_shim.terminal import commands
from cri_shim.terminal.fetch import Explorer, UnreachableError
from tests.unit.terminal.records import NO_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODIES = {
    "html": b"<html>Not Found</html>",
    "list": b"[1, 2]",
    "deep": b"[" * 100_000,
    "latin1": b'{"methods": "\xff"}',
    "items of another type": b'{"methods": [1], "requests": [1], "hops": 5, "curve": 1}',
    "another document": b'{"status": "ok"}',
    "nothing": b"",
    "not a number": b'{"methods": NaN}',
}


@pytest.fixture(params=list(BODIES.values()), ids=list(BODIES))
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers everything with the same body."""
    body: bytes = request.param

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            live = b"event: end\ndata: " + body + b"\n\ndata: \xff\n\n"
            self.wfile.write(live if self.path == "/api/live" else body)

        def log_message(self, *_: Any) -> None:
            """Keep the output of the test clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "asked",
    [{"what": []}, {"what": [], "follow": True}, {"what": ["show", "1"]}, {"what": ["slowest"]}, {"method": "A"}],
)
def test_another_program_at_the_address(other: str, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with one sentence that names the address, and no traceback."""
    options = argparse.Namespace(
        **{"address": other, "follow": False, "all": False, "json": False, "output": "text", **NO_OPTIONS} | asked
    )
    command = commands.hops if "what" in asked else commands.explain
    assert commands.run_command(command, options, Config()) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith(f"what answers at {other} is not cri-shim; name its listener with --address (")


@pytest.mark.parametrize(
    "address", ["\udcff:1", "x\x01y:1", "é" * 70 + ":1", "." * 70 + ":1", "[::1", "127.0.0.1:x", "unix:///\udcff"]
)
def test_an_address_that_is_none(address: str) -> None:
    """It is named in a form that a terminal can show."""
    with pytest.raises(UnreachableError, match=r"listener's address|does not answer") as refused:
        Explorer(address).get("/api/methods")
    assert str(refused.value).isprintable()


def test_a_fifo_in_place_of_the_address(tmp_path: Path) -> None:
    """The file that names the listener is read without waiting for what it may be; the configured address counts."""
    os.mkfifo(tmp_path / "http-address")
    config = cast("Config", SimpleNamespace(state=str(tmp_path), http=SimpleNamespace(address="127.0.0.1:1")))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: connection refused"):
        Explorer.of(config).get("/api/methods")
