"""A headless Chromium that opens views of the page and takes pictures of them."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from lab.patience import patient
from lab.screenshots.palette import small

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page

    from lab.screenshots.pictures import Picture

SWITCHES = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
SHAPE = "document.querySelector('main').innerText + document.querySelectorAll('main *').length"


@dataclass(frozen=True, slots=True)
class Camera:
    """A tab of the browser, and the address of the page."""

    page: Page
    url: str

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, profile: Path) -> AsyncIterator[Camera]:
        """Start Chromium; it ends with the context."""
        from playwright.async_api import async_playwright

        async with async_playwright() as driver:
            context = await driver.chromium.launch_persistent_context(
                profile, executable_path=shutil.which("chromium"), headless=True, args=SWITCHES
            )
            yield cls(await context.new_page(), url)
            await context.close()

    async def start_of(self, pod: str) -> int:
        """Return the request that started a pod."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/requests?method=RunPodSandbox&limit=2000") as answer,
        ):
            requests = (await answer.json())["requests"]
        return next(int(one["id"]) for one in requests if one["subject"].get("sandbox_id") == pod)

    async def take(self, picture: Picture, folder: Path, **names: object) -> int:
        """Take a picture, and return the size of its file."""
        width, height = picture.screen
        await self.page.set_viewport_size({"width": width, "height": height})
        await self.page.emulate_media(color_scheme="dark" if picture.dark else "light", reduced_motion="reduce")
        await self.page.goto("about:blank")
        await self.page.goto(f"{self.url}/{picture.address.format(**names)}")
        await self.page.locator(picture.awaits).first.wait_for()
        for click in picture.clicks:
            await self.page.locator(click).first.click()
        await self._at_rest()
        data = small(await self.page.screenshot(full_page=picture.whole))
        file = folder / f"{picture.name}.png"
        await asyncio.to_thread(file.write_bytes, data)
        return len(data)

    async def _at_rest(self, seconds: float = 30) -> None:
        """Wait until what the page shows does not change any more."""
        deadline = time.monotonic() + patient(seconds)
        before, now = "", await self.page.evaluate(SHAPE)
        while now != before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.page.url} changes all the time")
            before = now
            await asyncio.sleep(0.3)
            now = await self.page.evaluate(SHAPE)
