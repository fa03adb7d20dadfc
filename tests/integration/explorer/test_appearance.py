"""Every view on a phone, a tablet and a desk, light and dark: readable, reachable, and silent in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.explorer.appearance import DESK, PHONE, drawn, inspect, layout, needs_axe, open_view, views

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.integration.explorer.conftest import Explorer

pytestmark = needs_axe

LONG = "a-name-as-long-as-kubernetes-allows-" * 7 + "x"
"""253 characters."""
ROWS = 400


async def inspect_all(page: Page, explorer: Explorer) -> None:
    """Look at each kind of view that links lead to."""
    wrong = []
    for kind, address in (await views(page, explorer.url)).items():
        await open_view(page, explorer.url, address)
        wrong += await inspect(page, kind)
    assert not wrong, "\n".join(wrong)


async def test_every_view_in_three_sizes_light_and_dark(explorer: Explorer, page: Page):
    """axe-core has nothing to say, nothing sticks out, is cut or lies on something else, and a finger hits it."""
    pod = await explorer.run_pod(name="looks", namespace="shop")
    await pod.start("app")
    seen = await views(page, explorer.url)
    assert {"requests", "request", "pods", "pod", "methods", "architecture"} <= set(seen)
    await inspect_all(page, explorer)
    await pod.remove()


async def test_long_names(explorer: Explorer, page: Page):
    """The longest names that there can be wrap; nothing is cut, and nothing sticks out."""
    assert len(LONG) == 253
    pod = await explorer.run_pod(name=LONG, namespace="n" * 63, hostname="short")
    await pod.start("c" * 63)
    await page.goto(explorer.url)
    await page.locator("#rows a", has_text=LONG).first.wait_for()
    await inspect_all(page, explorer)
    await pod.remove()


async def test_hundreds_of_rows(explorer: Explorer, page: Page):
    """A list of hundreds of requests scrolls in its own place, and is drawn without a pause that a reader notices."""
    for number in range(ROWS):
        await explorer.lab.client.StopPodSandbox(pod_sandbox_id=f"nothing-{number}")
    await open_view(page, explorer.url, "#/requests?method=StopPodSandbox")
    assert await page.locator("#rows li").count() >= 100
    assert not await inspect(page, "hundreds of rows", sizes=(PHONE, DESK))
    await open_view(page, explorer.url, "#/requests")
    assert not await layout(page, fingers=False)


async def test_a_source_that_is_open(explorer: Explorer, page: Page):
    """What a click on a mark opens lies on the page, and fits into the smallest."""
    newest = await explorer.newest("RunPodSandbox")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await open_view(page, explorer.url, f"#/request/{newest['id']}")
    await page.locator(".priced .mark").click()
    await page.locator("#source:popover-open").wait_for()
    assert not await inspect(page, "an open source", sizes=(PHONE,))


@pytest.mark.parametrize("address", ["#/requests?search=nothing-has-this", "#/pods?search=nothing-has-this"])
async def test_filtered_until_nothing_is_left(explorer: Explorer, page: Page, address: str):
    """The view says that something is hidden, and each link that it offers widens the filter."""
    await open_view(page, explorer.url, address)
    note = page.locator(".situation[data-state=filtered]")
    await note.wait_for()
    assert not await inspect(page, address)
    await note.locator("a").first.click()
    await note.wait_for(state="hidden")
    await drawn(page)
