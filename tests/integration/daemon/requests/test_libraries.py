"""What a daemon that only serves pods loads while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.integration.daemon.conftest import run_pod


async def test_pods_need_no_http_library(lab):
    """Until something is pulled, streamed or looked at, aiohttp is not in the daemon's memory."""
    await asyncio.to_thread(lab.bridge.restart)
    pod = await run_pod(lab)
    container = await pod.start()
    assert await container.output("echo fine") == "fine"
    await lab.client.ListPodSandboxStats()
    await pod.remove()
    maps = Path(f"/proc/{lab.bridge.daemon.pid}/maps").read_text(encoding="utf-8")
    assert "grpc" in maps
    assert "aiohttp" not in maps
