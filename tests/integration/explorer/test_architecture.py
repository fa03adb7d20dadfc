"""The view *Architecture* in a real browser: pictures, what breaks, the player, and what it says without data."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import BrowserContext, Page

    from tests.integration.explorer.conftest import Explorer

PAGE = Path(__file__).parents[3] / "cri_shim/explorer/page"
RUNS = [
    json.loads((PAGE / f"run-{name}.json").read_text())
    for name in ("docker", "cri-containerd", "plugin-1.6", "plugin-2.1", "cri-shim")
]
LONGEST = max(run["wall_ms"] for run in RUNS)


async def opened(explorer: Explorer, page: Page) -> None:
    """Open the view, and wait until all of it is there."""
    await page.goto(f"{explorer.url}/#/architecture")
    await page.wait_for_selector(".run:nth-of-type(5)")
    await page.wait_for_selector(".live-picture .sourced")


async def moment(page: Page) -> float:
    """The moment at which the player is."""
    return float(await page.input_value("#scrub"))


async def test_the_rows_of_pictures_are_even(explorer: Explorer, page: Page):
    """Five cards: whatever fits into a row, each row is as wide as the others, and its cards are alike."""
    await opened(explorer, page)
    for width in (390, 820, 1024, 1440, 1920, 2560):
        await page.set_viewport_size({"width": width, "height": 900})
        cards: list[list[int]] = await page.eval_on_selector_all(
            ".picture",
            """all => all.map((one) => one.getBoundingClientRect())
            .map(({ left, right, top, width }) => [top, left, right, width].map(Math.round))""",
        )
        rows = [[card for card in cards if card[0] == top] for top in sorted({card[0] for card in cards})]
        assert len({(row[0][1], row[-1][2]) for row in rows}) == 1, (width, rows)
        assert all(max(card[3] for card in row) - min(card[3] for card in row) <= 1 for row in rows), (width, rows)


async def test_a_process_says_what_breaks_when_it_dies(explorer: Explorer, page: Page):
    """Each box of each picture answers all four questions with its source; Enter does what a click does."""
    await opened(explorer, page)
    pictures = page.locator(".picture")
    assert await pictures.count() == 5
    for number in range(5):
        picture = pictures.nth(number)
        boxes = picture.locator(".box")
        for box_number in range(await boxes.count()):
            box = boxes.nth(box_number)
            process = await box.get_attribute("data-process")
            await box.focus()
            await page.keyboard.press("Enter")
            assert await picture.locator(".death h4").inner_text() == f"When {process} dies"
            answers = await picture.locator(".death dd").all_inner_texts()
            assert len(answers) == 4
            assert all(len(answer) > 10 for answer in answers)
            assert "Known from: " in await picture.locator(".death").inner_text()
            assert await box.get_attribute("aria-pressed") == "true"
            assert await picture.locator(".box.dead").count() == 1
    await page.locator("[data-picture='containerd 1.0'] .box[data-part=containerd]").click()
    taken_along = page.locator("[data-picture='containerd 1.0'] .box.taken-along")
    assert await taken_along.get_attribute("data-part") == "cri", "cri-containerd exits with its event stream"
    box = page.locator("[data-picture='cri-shim'] .box[data-part=shim]")
    await box.click()
    await box.click()
    assert await page.locator("[data-picture='cri-shim'] .death h4").count() == 0, "a second click closes it"


async def test_docker_and_the_kubelet_on_one_containerd(explorer: Explorer, page: Page):
    """A picture of its own: one containerd, two namespaces, two shims."""
    await opened(explorer, page)
    picture = page.locator("[data-picture='Docker beside the kubelet']")
    drawn = await picture.locator("svg").text_content() or ""
    assert re.findall(r"moby|k8s\.io", drawn) == ["k8s.io", "moby"]
    assert await picture.locator(".box[data-part=containerd]").count() == 1
    assert "Neither sees" in await picture.inner_text()


async def test_each_picture_says_what_it_leaves_out(explorer: Explorer, page: Page):
    """A list below each one, with logs, images and shims."""
    await opened(explorer, page)
    for picture in await page.locator(".picture").all():
        await picture.locator(".left-out summary").click()
        text = await picture.locator(".left-out ul").inner_text()
        assert "Logs" in text
        assert "mages" in text
    assert "child" in await page.locator("[data-picture=dockershim] .left-out").inner_text()


async def test_step_back_and_forth(explorer: Explorer, page: Page):
    """A step goes to the next moment at which something begins, and says in words what that is."""
    await opened(explorer, page)
    assert await moment(page) == 0
    await page.select_option("#through", "cri-containerd")
    run = next(run for run in RUNS if run["architecture"] == "cri-containerd")
    starts = sorted({step["start_ms"] for step in run["steps"]})
    for expected in starts[1:4]:
        await page.click("#player-on")
        assert abs(await moment(page) - expected) <= 0.1
        step = next(step for step in run["steps"] if step["start_ms"] == expected)
        caption = await page.inner_text(".step-caption")
        assert step["from"] in caption
        assert f"observed by {step['how']}" in caption
    await page.click("#player-back")
    assert abs(await moment(page) - starts[2]) <= 0.1
    lane = page.locator(".run[data-run=cri-containerd]")
    assert await lane.locator("[data-part=cri-containerd]").get_attribute("data-state") in {"asks", "works"}
    assert await page.locator(".run[data-run='plugin-1.6'] [data-part=cri-containerd]").count() == 0


async def test_scrub_to_a_moment(explorer: Explorer, page: Page):
    """At the end of a run its lane says that the pod runs; another one still works."""
    await opened(explorer, page)
    quickest = min(RUNS, key=lambda run: run["wall_ms"])
    await page.locator("#scrub").fill(str(round(quickest["wall_ms"] + 0.1, 1)))
    caption = page.locator(f".run[data-run='{quickest['architecture']}'] .run-caption")
    assert "the pod runs" in await caption.inner_text()
    longest = max(RUNS, key=lambda run: run["wall_ms"])
    assert await page.locator(f".run[data-run='{longest['architecture']}'] [data-state=asks]").count() > 0
    await page.locator("#scrub").focus()
    before = await moment(page)
    await page.keyboard.press("ArrowRight")
    assert await moment(page) > before


async def test_play_and_pause_by_keyboard(explorer: Explorer, page: Page):
    """Space plays and pauses, arrows step, Home and End go to the ends; speed is chosen; the end is the end."""
    await opened(explorer, page)
    await page.select_option("#speed", "200")
    await page.focus(".runs")
    await page.keyboard.press("Space")
    await becomes(page, "Number(document.getElementById('scrub').value) > 0.5")
    assert await page.inner_text("#player-play") == "Pause"
    await page.keyboard.press("Space")
    paused = await moment(page)
    await asyncio.sleep(0.3)
    assert await moment(page) == paused
    assert await page.inner_text("#player-play") == "Play"
    await page.keyboard.press("ArrowRight")
    assert await moment(page) > paused
    await page.keyboard.press("Home")
    assert await moment(page) == 0
    await page.keyboard.press("End")
    assert abs(await moment(page) - LONGEST) <= 0.1
    assert await page.inner_text("#player-play") == "Play again"
    await page.select_option("#speed", "1")
    await page.click("#player-play")
    await becomes(page, "document.getElementById('player-play').textContent === 'Play again'")
    assert abs(await moment(page) - LONGEST) <= 0.1


async def test_another_view_stops_the_player(explorer: Explorer, page: Page):
    """No clock runs behind a view that is not shown."""
    await opened(explorer, page)
    await page.select_option("#speed", "1000")
    await page.click("#player-play")
    await page.click("nav a[data-view=methods]")
    await page.wait_for_selector(".totals td")
    await page.click("nav a[data-view=architecture]")
    assert await page.inner_text("#player-play") == "Play"


async def test_reduced_motion_goes_from_step_to_step(explorer: Explorer, page: Page):
    """Nothing moves between two steps: the moments are those at which something begins."""
    await page.emulate_media(reduced_motion="reduce")
    await opened(explorer, page)
    starts = sorted({step["start_ms"] for run in RUNS for step in run["steps"]})
    await page.click("#player-play")
    await becomes(page, "Number(document.getElementById('scrub').value) > 0")
    await page.click("#player-play")
    at = await moment(page)
    assert min(abs(at - start) for start in starts) <= 0.1
    assert at <= starts[12], "it has not run on meanwhile"
    await page.emulate_media(reduced_motion="no-preference")


async def test_lanes_show_what_was_recorded_and_not_this_daemon(explorer: Explorer, page: Page):
    """Each lane has its versions and its date, and names what could not be observed."""
    await opened(explorer, page)
    for run in RUNS:
        lane = page.locator(f".run[data-run='{run['architecture']}']")
        heading = await lane.locator("h3").inner_text()
        assert all(version in heading for version in run["versions"].values())
        await lane.locator("summary").click()
        facts = await lane.locator(".recorded").inner_text()
        assert run["recorded"] in facts
        assert facts.count("Not observed") >= len(run["not_observed"])
        parts = await lane.locator(".chain li").evaluate_all("all => all.map((one) => one.dataset.part)")
        arrows = "all => all.map((one) => getComputedStyle(one, '::after').content)"
        assert set(await lane.locator(".chain li").evaluate_all(arrows)) == {"none"}
        assert set(parts) == {part for step in run["steps"] for part in (step["from"], step["to"])}


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: BrowserContext) -> AsyncIterator[Page]:
    """A tab whose requests may fail, of which a browser always complains."""
    page = await browser.new_page()
    yield page
    await page.close()


async def test_the_daemon_goes_away_and_comes_back(explorer: Explorer, tab: Page):
    """Without answers no figure is shown as of now, and nothing claims to be live; the pictures stay."""
    await opened(explorer, tab)
    await tab.route("**/api/**", lambda route: route.abort())
    await tab.evaluate("import('/page/architecture.js').then(({ showArchitecture }) => showArchitecture(0))")
    await becomes(tab, "document.querySelector('.now').textContent.includes('away')")
    assert "–" in await tab.inner_text(".live-picture .sum")
    assert await tab.locator(".live-picture .sourced").count() == 0
    assert "away" in await tab.inner_text(".costs")
    assert await tab.locator(".picture").count() == 5
    async with tab.expect_event("requestfailed", lambda request: "/api/requests" in request.url):
        await tab.click("#replay")
    assert "away" in await tab.inner_text(".now")
    await tab.unroute("**/api/**")
    await tab.evaluate("import('/page/architecture.js').then(({ showArchitecture }) => showArchitecture(0))")
    await tab.wait_for_selector(".live-picture .sourced")
    assert "Waiting" in await tab.inner_text(".now")


async def test_runs_that_cannot_be_loaded_come_when_the_daemon_is_back(explorer: Explorer, tab: Page):
    """The player says why it is empty, and is there after the next connection."""
    await tab.route("**/run-*.json*", lambda route: route.abort())
    await tab.goto(f"{explorer.url}/#/architecture")
    await tab.get_by_text("recorded runs could not be loaded").wait_for()
    await tab.unroute("**/run-*.json*")
    await tab.wait_for_selector(".run:nth-of-type(5)")


async def test_before_the_first_pod_start(explorer: Explorer, tab: Page):
    """Nothing is made up: no price, no replay, and what to do for them."""
    await tab.route("**/api/methods?*", lambda route: route.fulfill(json={"methods": []}))
    await tab.route("**/api/requests?**", lambda route: route.fulfill(json={"requests": []}))
    await opened(explorer, tab)
    assert "no pod has been started" in await tab.inner_text(".live-picture .sum")
    assert "no pod start yet" in (await tab.locator(".live-picture svg").text_content() or "")
    assert await tab.locator(".costs .mark").count() == 2, "of the two figures that need no pod start"
    await tab.click("#replay")
    await becomes(tab, "document.querySelector('.now').textContent.includes('Start a pod')")
    assert await tab.is_hidden("#stop")


async def test_the_figures_follow_a_pod_start(explorer: Explorer, page: Page):
    """They are those of now: a pod start changes them without a reload."""
    await opened(explorer, page)
    await page.evaluate("document.querySelector('.live-picture .sum').textContent = ''")
    pod = await explorer.run_pod()
    await becomes(page, "document.querySelector('.live-picture .sum').textContent.includes('price of a RunPodSandbox')")
    await pod.remove()
