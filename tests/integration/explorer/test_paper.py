"""The page on paper: black on white whatever the theme, all of it, and nothing that only a screen can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.explorer.appearance import layout, open_view, views

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.integration.explorer.conftest import Explorer

A4 = (703, 1016)
"""CSS pixels of a page of 210 by 297 mm without the margins."""
CONTROLS = (
    "nav, form, select, input, .skip, .notice, .live, .back, .back-to, .controls, kbd, button:not(.mark, .term), dialog"
)


async def test_every_view_on_paper(explorer: Explorer, page: Page):
    """No control is printed, nothing is cut, and a chosen dark theme does not make the paper black."""
    pod = await explorer.run_pod(name="paper")
    await page.set_viewport_size({"width": A4[0], "height": A4[1]})
    seen = await views(page, explorer.url)
    await page.evaluate("document.documentElement.dataset.theme = 'dark'")
    await page.emulate_media(media="print", color_scheme="dark")
    for kind, address in seen.items():
        await open_view(page, explorer.url, address)
        controls = await page.evaluate(
            """(all) => [...document.querySelectorAll(all)].filter((one) => one.checkVisibility())
            .map((one) => one.outerHTML)""",
            CONTROLS,
        )
        assert controls == [], kind
        assert await layout(page, fingers=False) == [], kind
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", kind
        assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 34, 40)", kind
    await page.emulate_media(media="screen")
    await pod.remove()


async def test_a_long_list_is_printed_to_its_end(explorer: Explorer, page: Page):
    """On the screen the list scrolls in its own place; on paper all rows follow one another, over several pages."""
    for number in range(120):
        await explorer.lab.client.StopPodSandbox(pod_sandbox_id=f"nothing-{number}")
    await open_view(page, explorer.url, "#/requests")
    one = (await page.pdf(format="A4")).count(b"/Type /Page\n")
    assert one > 4
    await page.emulate_media(media="print")
    assert (
        await page.evaluate(
            "(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(document.getElementById('rows'))"
        )
        <= 1
    )
