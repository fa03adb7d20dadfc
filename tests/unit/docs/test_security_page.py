"""The defaults in SECURITY.md are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.explorer.http_server import SOCKET_MODE
from cri_shim.streaming import tokens

PAGE = (Path(__file__).parents[3] / "SECURITY.md").read_text(encoding="utf-8")
CONFIG = Config()


def row(start: str) -> str:
    """The one row of the table that begins with a socket's name."""
    (line_of_start,) = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    return line_of_start


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("CRI socket", f"`{CONFIG.socket_path}`, mode {CONFIG.socket_mode:04o}"),
        ("containerd's socket", f"`{CONFIG.containerd.address}`"),
        ("HTTP listener", f"`{CONFIG.http.address}`"),
        ("the same as a unix socket", f"mode {SOCKET_MODE:04o}"),
        ("streaming server", f"`{CONFIG.stream.stream_server_address}`, any free port, plain HTTP"),
    ],
)
def test_each_socket_has_its_default(start, wanted):
    """Address and mode, as the configuration has them."""
    assert wanted in row(start)
    assert (CONFIG.stream.stream_server_port, CONFIG.stream.enable_tls_streaming) == ("0", False)


def test_a_token_is_what_the_page_says():
    """Its length and its lifetime."""
    assert f"{tokens._BYTES} random bytes" in PAGE
    assert f"expires after {tokens.LIFETIME:.0f} seconds" in PAGE
