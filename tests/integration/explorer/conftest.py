"""One daemon on a private containerd, and a headless Chromium that looks at its page."""

from __future__ import annotations

import asyncio
import shutil
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from lab.lab import Lab
from lab.pods import Pod
from lab.registry import free_port
from tests.integration.explorer.local_node import LocalNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

PATIENCE = 30_000
"""Milliseconds that a machine with other work may take to draw something."""
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync"),
)


@dataclass(slots=True)
class Explorer:
    """The listener of a lab's daemon."""

    lab: Lab
    url: str

    @asynccontextmanager
    async def running_stream(self) -> AsyncIterator[tuple[int, Any]]:
        """Follow containers' events; the id of this request, and the call, which ends it when it is cancelled."""
        stream = self.lab.client.stream("GetContainerEvents")
        try:
            await stream.initial_metadata()
            (running, *_) = (await self.get("/api/requests?method=GetContainerEvents"))["requests"]
            assert running["running"]
            yield running["id"], stream
        finally:
            stream.cancel()

    async def get(self, path: str) -> dict[str, Any]:
        """What the API answers."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}") as response:
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer

    def is_listening(self) -> bool:
        """Return whether it answers. Other than a request of the CRI, this leaves no trace in the ledger."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/node", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    async def run_pod(self, **config: Any) -> Pod:
        """Start a pod."""
        return await Pod.run(self.lab.client, self.lab.busybox, cgroup_parent=self.lab.cgroup_parent, **config)

    async def newest(self, method: str) -> dict[str, Any]:
        """The last ended request of a method."""
        requests: list[dict[str, Any]] = (await self.get(f"/api/requests?method={method}"))["requests"]
        return next(one for one in requests if not one["running"])


@dataclass(slots=True)
class Complaints:
    """What the page has written into the console, and what it has asked of others."""

    texts: list[str] = field(default_factory=list)

    def forgive(self, text: str) -> None:
        """Take away what contains ``text``, where a test knows that no page can prevent it."""
        self.texts = [one for one in self.texts if text not in one]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def explorer() -> AsyncIterator[Explorer]:
    """A lab's page, with a few pods already started and removed."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    address = f"127.0.0.1:{free_port()}"  # the same after a restart
    async with Lab("bridge", settings={"http": {"address": address}}) as lab:
        running = Explorer(lab, f"http://{address}")
        async with asyncio.timeout(30):
            while (await running.get("/api/node"))["null_hop_ms"] is None:
                await asyncio.sleep(0.05)
        for _ in range(3):
            await (await running.run_pod()).remove()
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserContext]:
    """Chromium with a profile of its own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as driver:
        profile = await asyncio.to_thread(tmp_path_factory.mktemp, "chromium")
        context = await driver.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=SWITCHES, viewport={"width": 1360, "height": 900}
        )
        context.set_default_timeout(PATIENCE)
        yield context
        await context.close()


@pytest.fixture
def complaints() -> Complaints:
    """What the page complains of; at the end of a test it is nothing."""
    return Complaints()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: BrowserContext, complaints: Complaints) -> AsyncIterator[Page]:
    """An empty tab. An error or a warning in the console fails the test, and so does a request elsewhere."""
    tab = await browser.new_page()
    elsewhere: list[str] = []
    tab.on("pageerror", lambda error: complaints.texts.append(str(error)))
    tab.on("console", lambda said: complaints.texts.append(said.text) if said.type in {"error", "warning"} else None)
    tab.on("request", lambda asked: None if "//127.0.0.1:" in asked.url else elsewhere.append(asked.url))
    yield tab
    await tab.close()
    # Chromium drops what is under way when an interface of a pod comes or goes on this machine; the page asks again.
    complaints.forgive("ERR_NETWORK_CHANGED")
    assert complaints.texts == []
    assert [url for url in elsewhere if not url.startswith("data:")] == []


@pytest_asyncio.fixture(loop_scope="session")
async def node(tmp_path: Path) -> AsyncIterator[LocalNode]:
    """What a page is of that needs no real node."""
    one = LocalNode(tmp_path)
    one.listener.bind()
    yield one
    await one.listener.stop()
