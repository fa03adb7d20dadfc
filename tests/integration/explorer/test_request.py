"""The view of one request: waterfall first, what the answer waited for, and figures that need no mouse."""

from __future__ import annotations

import asyncio
import json
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.cli import main
from cri_shim.ledger.unfinished import UNFINISHED

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, Locator, Page

    from tests.integration.explorer.conftest import Explorer


async def pod_start(explorer: Explorer) -> dict[str, Any]:
    """The record of the newest pod start."""
    return await explorer.get(f"/api/requests/{(await explorer.newest('RunPodSandbox'))['id']}")


async def opened(explorer: Explorer, page: Page) -> dict[str, Any]:
    """Open the newest pod start, and return its record."""
    record = await pod_start(explorer)
    await page.set_viewport_size({"width": 1360, "height": 900})
    await page.goto(f"{explorer.url}/#/request/{record['id']}")
    await page.wait_for_selector(".waterfall")
    return record


async def rows(page: Page, kind: str) -> list[dict[str, str]]:
    """What the rows of one kind of piece show, in order."""
    shown: list[dict[str, str]] = await page.eval_on_selector_all(
        f".piece:has(.track > i.{kind})",
        """all => all.map(row => ({
            name: row.querySelector("b").lastChild.textContent,
            purpose: row.querySelector(".purpose")?.textContent ?? "",
            from: row.querySelector(".from").textContent, took: row.querySelector(".time").textContent,
            bytes: [...row.querySelectorAll(".number")].slice(2).map(one => one.textContent).join(" "),
            classes: row.className }))""",
    )
    return shown


async def test_the_waterfall_comes_first(explorer: Explorer, page: Page):
    """Above the bill, and within the first screen."""
    await opened(explorer, page)
    tops = await page.evaluate(
        "['.waterfall', '.figures'].map(one => document.querySelector(one).getBoundingClientRect().top)"
    )
    assert tops[0] < tops[1]
    assert tops[0] < 900


async def test_every_hop_has_its_sentence_and_its_figures(explorer: Explorer, page: Page):
    """Start and length with all decimals, bytes, and what it is for; all of it visible without a mouse."""
    record = await opened(explorer, page)
    shown = await rows(page, "hop")
    hops = sorted(record["hops"], key=lambda hop: (hop["start_ms"], -hop["duration_ms"]))
    assert [row["purpose"] for row in shown] == [hop["purpose"] for hop in hops]
    assert all(hop["purpose"] for hop in hops), "each hop of a pod start is described"
    assert [(row["from"], row["took"]) for row in shown] == [
        (f"{hop['start_ms']:.3f}", f"{hop['duration_ms']:.3f}") for hop in hops
    ]
    helpers = await rows(page, "helper")
    assert [row["purpose"] for row in helpers] == [helper["purpose"] for helper in record["helpers"]]
    assert await page.eval_on_selector_all(
        ".piece :is(.from, .time, .number)",
        "all => all.every(one => getComputedStyle(one).whiteSpace === 'nowrap' && one.scrollWidth <= one.clientWidth)",
    ), "a number stands in one line, and within its column"
    for cell in ("from", "time", "number"):
        assert await page.locator(f".piece .{cell}").first.is_visible()


async def test_what_the_answer_waited_for_is_marked(explorer: Explorer, page: Page):
    """The same pieces as in the record, and their steps add up to the wall time."""
    record = await opened(explorer, page)
    for kind, place in (("hop", "hops"), ("helper", "helpers")):
        marked = [row["name"] for row in await rows(page, kind) if "critical" in row["classes"].split()]
        names = [
            f"{one['name']} {one['command']}" if kind == "helper" else one["method"]
            for one in record[place]
            if one["critical"]
        ]
        assert sorted(marked) == sorted(name.rsplit(".", 1)[-1] for name in names)
    assert record["critical_path"]
    assert await page.locator(".on-path").count() == sum(
        one["critical"] for kind in ("hops", "helpers", "waits") for one in record[kind]
    )
    lines = await page.locator(".answer-path summary").evaluate(
        "one => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)"
    )
    assert lines < 2, "its heading has one line"
    await page.click(".answer-path summary")
    durations = "all => all.map(one => Number(one.lastChild.textContent))"
    steps = await page.eval_on_selector_all(".answer-path li", durations)
    assert round(sum(steps), 3) == record["bill"]["wall_ms"]
    assert await page.locator(".path .steps > i").count() == len(record["critical_path"])


async def test_unfinished_is_neither_a_failure_nor_zero_bytes(explorer: Explorer, page: Page):
    """The start of the pause container outlives the request: no red, no 0 B, and a sentence that says why."""
    record = await opened(explorer, page)
    unfinished = [hop for hop in record["hops"] if hop["code"] == UNFINISHED]
    if not unfinished:
        pytest.skip("this pod start was answered after all of its hops; nothing is unfinished")
    shown = [row for row in await rows(page, "hop") if "unfinished" in row["classes"].split()]
    assert len(shown) == len(unfinished)
    assert all("bad" not in row["classes"].split() and row["bytes"] == "– –" for row in shown)
    assert "this is not a failure" in await page.inner_text(".drawn > .hint")
    assert f"({len(unfinished)} unfinished not counted)" in await page.inner_text(".facts")


async def test_on_a_phone_the_figures_are_folded(explorer: Explorer, page: Page):
    """Names, bars and lengths stay; a button brings the rest, and the bill is one tap away."""
    await page.set_viewport_size({"width": 390, "height": 844})
    record = await pod_start(explorer)
    await page.goto(f"{explorer.url}/#/request/{record['id']}")
    await page.wait_for_selector(".waterfall")
    first = page.locator(".piece").first
    assert await first.locator(".time").is_visible()
    assert await first.locator(".purpose").is_visible()
    assert not await first.locator(".from").is_visible()
    assert not await page.is_visible(".figures")
    await page.click(".fold")
    assert await page.get_attribute(".fold", "aria-expanded") == "true"
    assert await first.locator(".from").is_visible()
    await page.click(".folded summary")
    assert await page.is_visible(".figures")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.set_viewport_size({"width": 1360, "height": 900})


CLIPBOARDS = {
    "its own interface": "navigator.clipboard.writeText = async (text) => { window.copied = text; }",
    # A page on http that is not on loopback has no interface to the clipboard.
    "a selection": "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined });"
    "addEventListener('copy', ({ target }) => { window.copied = target.value; })",
    "not at all": "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined });"
    "document.execCommand = () => false",
}


@pytest.mark.parametrize("way", list(CLIPBOARDS))
async def test_link_and_json_can_be_copied(explorer: Explorer, page: Page, way: str):
    """By the clipboard's interface, by a selection where there is none, and else the text is shown, selected."""
    await page.add_init_script(CLIPBOARDS[way])
    record = await opened(explorer, page)

    async def copied(button: Locator) -> str:
        await button.click()
        if way == "not at all":
            box = page.locator(".copied textarea")
            await box.wait_for()
            shown, selected = await box.evaluate("box => [box.value, box.selectionEnd - box.selectionStart]")
            assert selected == len(shown.encode("utf-16-le")) // 2
            return str(shown)
        await page.get_by_text("Copied.").wait_for()
        return str(await page.evaluate("window.copied"))

    assert await copied(page.get_by_role("button", name="Copy link")) == page.url
    taken = json.loads(await copied(page.get_by_role("button", name="Copy JSON")))
    assert (taken["id"], taken["bill"], taken["hops"]) == (record["id"], record["bill"], record["hops"])


async def run(*arguments: str) -> bytes:
    """Return what ``cri-shim`` writes."""

    def ran() -> bytes:
        written = BytesIO()
        stream = TextIOWrapper(written, encoding="ascii")
        with redirect_stdout(stream):
            assert main(arguments) == 0
        stream.flush()
        return written.getvalue()

    return await asyncio.to_thread(ran)


async def test_a_request_as_one_file(explorer: Explorer, browser: BrowserContext, tmp_path: Path):
    """It opens from a disk, asks for nothing else, and shows the figures of the record."""
    record = await pod_start(explorer)
    file = tmp_path / "request.html"
    file.write_bytes(
        await run(
            "hops", "show", str(record["id"]), "--format", "html", "--address", explorer.url.removeprefix("http://")
        )
    )
    tab = await browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    await tab.goto(file.as_uri())
    await tab.wait_for_selector(".waterfall")
    assert await tab.locator(".track > i.hop").count() == len(record["hops"])
    wall = await tab.inner_text("[data-figure=wall_ms]")
    assert float(wall) == record["bill"]["wall_ms"]
    assert "Nothing here is live" in await tab.inner_text("#about")
    await tab.click(".figures .mark >> nth=0")
    assert await tab.locator("#source:popover-open").count() == 1
    await tab.keyboard.press("Escape")
    await tab.click("#theme")
    assert await tab.inner_text("#theme") == "Theme: light"
    await tab.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
