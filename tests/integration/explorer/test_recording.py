"""A recording of a real node, opened without it: the page, the terminal, and a file that was made to harm."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.integration.explorer.test_page import figures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

    from tests.integration.explorer.conftest import Explorer

CLI = (sys.executable, "-m", "cri_shim.cli")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def file(explorer: Explorer, tmp_path_factory) -> Path:
    """A recording, ended by a signal, of a time in which a pod came and went."""
    path: Path = tmp_path_factory.mktemp("recording") / "node.json"
    address = explorer.url.removeprefix("http://")
    process = await asyncio.create_subprocess_exec(
        *CLI, "hops", "record", str(path), "--address", address, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    await process.stderr.readline()
    await asyncio.sleep(1)
    await (await explorer.run_pod(name="on-tape")).remove()
    await asyncio.sleep(1)
    process.send_signal(signal.SIGINT)
    said = (await process.communicate())[1].decode()
    assert process.returncode == 0, said
    return path


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[str]:
    """Run ``cri-shim hops open``, and yield the address of its page."""
    process = await asyncio.create_subprocess_exec(*CLI, "hops", "open", str(path), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        yield line.split(" is at ")[1].split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_recording_shows_what_the_daemon_showed(explorer: Explorer, page: Page, file: Path):
    """The same request with the same bill, the pod by its name, totals; and a banner that says what it is."""
    newest = await explorer.newest("RunPodSandbox")
    async with opened(file) as url:
        await page.goto(f"{url}/#/request/{newest['id']}")
        shown = await figures(page)
        record = await explorer.get(f"/api/requests/{newest['id']}")
        assert float(shown["wall_ms"]) == record["bill"]["wall_ms"]
        assert float(shown["price_ms"]) == record["bill"]["price_ms"]
        assert await page.locator(".track > i.hop").count() == len(record["hops"])
        assert await page.locator(".on-path").count() > 0
        assert os.uname().nodename in await page.inner_text("aside.recording")
        assert "Nothing here is live" in await page.inner_text("aside.recording")
        assert not await page.is_visible("#live")
        await page.goto(f"{url}/#/pods")
        await page.locator("#pods").get_by_text("lab/on-tape").first.wait_for()
        await page.goto(f"{url}/#/methods")
        await page.wait_for_selector(".totals td")
        await page.goto(f"{url}/#/architecture/{newest['id']}")
        await page.wait_for_selector(".pictures svg")
        await page.goto("about:blank")


async def test_the_recording_has_the_live_events(file: Path):
    """Starts, hops and helpers of the pod, in order of time."""
    recording = json.loads(file.read_text())
    times = [event["at_ms"] for event in recording["events"]]
    assert times == sorted(times)
    assert {"start", "hop", "helper", "end"} <= {event["event"] for event in recording["events"]}


async def test_a_hostile_recording_runs_nothing(page: Page, file: Path, tmp_path: Path):
    """Markup in every text is shown as text; the page neither runs it nor asks for anything elsewhere."""
    recording = json.loads(file.read_text())
    markup = "<img src=//evil.example/x onerror=window.harmed=1><script>window.harmed=1</script>"

    def spoiled(value, key=""):
        if isinstance(value, dict):
            return {name: spoiled(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [spoiled(one, key) for one in value]
        keep = key in {"format", "split", "front_known", "event", "phase", "part", "id"} or not isinstance(value, str)
        return value if keep else markup

    path = tmp_path / "hostile"
    head = json.dumps({"format": "cri-shim-recording"} | spoiled(recording))
    path.write_text(head)
    number = recording["requests"][-1]["id"]
    async with opened(path) as url:
        for view in (f"request/{number}", "requests", "pods", "methods", f"architecture/{number}"):
            await page.goto(f"{url}/#/{view}")
            await page.wait_for_selector("aside.recording")
            await page.wait_for_timeout(300)
        assert await page.evaluate("window.harmed") is None
        assert await page.locator("main img, main script, aside img").count() == 0
        assert "<img src=" in await page.inner_text("aside.recording")
        await page.goto("about:blank")
