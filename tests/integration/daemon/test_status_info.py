"""What a verbose Status tells of the daemon itself."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from tests.lab.lab import Lab


async def test_it_tells_what_the_daemon_runs_on(lab: Lab) -> None:
    """Python, grpc and the event loop, for whoever compares two runs; the numbers depend on all three."""
    info = (await lab.client.Status(verbose=True)).info
    assert json.loads(info["python"]) == {
        "version": platform.python_version(),
        "grpcio": grpc.__version__,
        "event_loop": "uvloop",
    }


async def test_it_tells_only_when_asked(lab: Lab) -> None:
    """A kubelet asks every few seconds and reads none of it."""
    assert not (await lab.client.Status()).info
