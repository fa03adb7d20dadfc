"""The clients of the tests: npm's spdy-transport in a process of its own, and URLs from the daemon."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("spdy_peer.js")
BLOCK = b"spdy-transport!\n"


def digest_of_feed(size: int) -> str:
    """SHA-256 of what the peer feeds: the same sixteen bytes again and again."""
    whole = hashlib.sha256()
    block = BLOCK * 4096
    for _ in range(size // len(block)):
        whole.update(block)
    whole.update(block[: size % len(block)])
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class SpdyPeer:
    """Runs spdy_peer.js. Keys: ``streams``, ``stdin`` or ``stdinBytes``, ``sizes``, ``window``, ``dieAfter``, …"""

    node: str
    modules: Path

    async def start(self, url: str, **wish: Any) -> asyncio.subprocess.Process:
        """Start it without waiting."""
        wish = {"url": url, "protocol": "v4.channel.k8s.io", **wish}
        environment = {**os.environ, "NODE_PATH": str(self.modules)}
        return await asyncio.create_subprocess_exec(
            self.node, str(SCRIPT), json.dumps(wish), stdout=asyncio.subprocess.PIPE, env=environment
        )

    async def run(self, url: str, *, seconds: float = 30, **wish: Any) -> dict[str, Any]:
        """Run it to its end: ``protocol``, ``http`` when the upgrade was refused, ``error``, ``streams`` by name."""
        process = await self.start(url, **wish)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), seconds)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        result: dict[str, Any] = json.loads(out)
        return result
