"""Look at the explorer page as readers do: on three sizes, light and dark, and by the rules of axe-core."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import Page

HERE = Path(__file__).parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
PHONE, TABLET, DESK = (390, 844), (820, 1180), (1440, 900)
SIZES = (PHONE, TABLET, DESK)
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
FINGERS = "nav a, .top button, select, input[type=search], .controls button, label:has(input[type=checkbox])"
"""What is used most: on a phone it is 44 pixels high and wide. For all other targets, axe-core asks for 24."""

needs_axe = pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not installed: `make page-tools` fetches it, which needs npm"
)
"""For tests that inspect the page: they are skipped before they have done anything."""


@cache
def axe() -> str:
    """Return axe-core."""
    return AXE.read_text(encoding="utf-8")


async def breaches(page: Page, *, only: str = "") -> list[str]:
    """Return the rules of axe-core that the page breaks, each with the first places; ``only`` is one rule."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe())
    choice = {"type": "rule", "values": [only]} if only else {"type": "tag", "values": list(TAGS)}
    broken: list[str] = await page.evaluate((HERE / "rules.js").read_text(encoding="utf-8"), choice)
    return broken


async def layout(page: Page, *, fingers: bool) -> list[str]:
    """Return what sticks out, is cut, lies on something else, or is too small to be touched."""
    probe = (HERE / "layout.js").read_text(encoding="utf-8")
    wrong: list[str] = await page.evaluate(probe, FINGERS if fingers else "none")
    return wrong


async def drawn(page: Page, seconds: float = 60) -> None:
    """Wait until the view has something in it, and what it has does not change any more.

    While pods of others come and go on this machine, Chromium drops what it loads, and the page loads itself again only
    so often (reload.js). A page that stays empty is therefore loaded once more here.
    """
    from playwright.async_api import Error

    shape = "[...document.querySelectorAll('main > section:not([hidden])')].map((one) => one.innerText.length).join()"
    begun = loaded = time.monotonic()
    before = now = ""
    while now != before or now in {"", "0"}:
        assert time.monotonic() < begun + seconds, f"{page.url} is empty, or changes all the time: {before}, {now}"
        before = now
        await asyncio.sleep(0.12)
        with contextlib.suppress(Error):  # it may be loading itself
            now = await page.evaluate(shape)
            if now == "" and time.monotonic() > loaded + 4:
                loaded = time.monotonic()
                await page.reload()


async def inspect(page: Page, what: str, sizes: Sequence[tuple[int, int]] = SIZES) -> list[str]:
    """Return all that is wrong with the present view at these sizes, light and dark."""
    wrong = []
    for width, height in sizes:
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme="light")
        seen = await breaches(page) + await layout(page, fingers=(width, height) == PHONE)
        await page.emulate_media(color_scheme="dark")
        seen += [f"dark: {one}" for one in await breaches(page, only="color-contrast")]  # nothing else is different
        wrong += [f"{what}, {width}×{height}: {one}" for one in seen]
    return wrong


async def open_view(page: Page, url: str, address: str) -> None:
    """Show a view, which in a page that is open already takes no reload."""
    from playwright.async_api import Error

    with contextlib.suppress(Error):  # a load that was dropped is repeated below
        await page.goto(f"{url}/{address}")
    await drawn(page)


async def views(page: Page, url: str) -> dict[str, str]:
    """Follow the page's own links, and return an address for each kind of view by the kind's name."""
    seen: dict[str, str] = {}
    waiting = ["#/requests"]
    while waiting:
        address = waiting.pop(0)
        kind = address.removeprefix("#/").split("/")[0].split("?")[0]
        if kind in seen:
            continue
        seen[kind] = address
        await open_view(page, url, address)
        links: list[tuple[str, str]] = await page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#/\"]')].map((one) => [one.getAttribute('href'), one.innerText])"
        )
        # A pod's start has more to show than any other request, so it comes first.
        links.sort(key=lambda link: "RunPodSandbox" not in link[1])
        waiting += [address for address, _ in links]
    return seen
