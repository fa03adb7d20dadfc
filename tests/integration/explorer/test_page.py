"""The explorer page in a real browser: what it shows is what the ledger has."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.ledger.bill_text import KEY, parse_bill
from cri_shim.rpc import RPCS, Kind
from lab.cri_client import OPTIONS
from lab.pod_configs import pod_config

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.integration.explorer.conftest import Explorer

FIGURES = (
    *("wall_ms", "transport_ms", "work_ms", "work_cpu_ms", "work_wait_ms", "queue_ms", "world_ms", "price_ms"),
    *("hops_ms", "hops_sum_ms", "helpers_ms", "own_ms", "daemon_sum_ms", "transport_sum_ms"),
)
PARTS = ("transport_ms", "work_ms", "queue_ms", "world_ms")


async def figures(page: Page) -> dict[str, str]:
    """The bill as the page shows it."""
    await page.wait_for_selector(".figures")
    shown: dict[str, str] = await page.eval_on_selector_all(
        "[data-figure]", "cells => Object.fromEntries(cells.map(c => [c.dataset.figure, c.textContent]))"
    )
    return shown


async def becomes(page: Page, truth: str, seconds: float = 30) -> None:
    """Wait until an expression is true. (Playwright's own way evaluates text, which the page's policy forbids.)

    The page loads itself again when a part of it did not arrive (reload.js); an expression that it interrupts is asked
    again.
    """
    deadline = time.monotonic() + seconds
    while not await _holds(page, truth):
        assert time.monotonic() < deadline, f"not within {seconds} s: {truth}"
        await asyncio.sleep(0.05)


async def _holds(page: Page, truth: str) -> bool:
    from playwright.async_api import Error

    try:
        return bool(await page.evaluate(truth))
    except Error as error:
        if "context was destroyed" not in str(error):
            raise
        return False


async def wide_as(page: Page) -> int:
    """Pixels that the page would like to be wide."""
    width: int = await page.evaluate("document.documentElement.scrollWidth")
    return width


async def test_a_pod_start_appears_as_it_happens_and_opens(explorer: Explorer, page: Page):
    """Without a reload the request stands in the list; a click opens its waterfall with every hop and helper."""
    await page.goto(explorer.url)
    await page.wait_for_selector("#live[data-state=open]")
    pod = await explorer.run_pod(name="as-it-happens")
    row = page.locator("#rows a", has_text="as-it-happens").filter(has_text="RunPodSandbox")
    await row.locator(".bar:not(.going)").wait_for()
    await row.click()
    await page.wait_for_selector(".waterfall")
    newest = await explorer.newest("RunPodSandbox")
    record = await explorer.get(f"/api/requests/{newest['id']}")
    assert page.url.endswith(f"#/request/{record['id']}")
    assert record["hops"]
    assert record["helpers"]
    assert await page.locator(".track > i.hop").count() == len(record["hops"])
    assert await page.locator(".track > i.helper").count() == len(record["helpers"])
    assert await page.locator(".track > u").count() > 0, "the typical shape is beside it"
    drawn = await page.eval_on_selector_all(
        ".piece:has(i.hop) .time", "all => all.map(one => Number(one.dataset.duration))"
    )
    assert sorted(drawn) == sorted(hop["duration_ms"] for hop in record["hops"])
    await pod.remove()


async def test_page_api_and_trailing_metadata_agree(explorer: Explorer, page: Page):
    """The bill in the answer, the one of the API and the one in the page are one, to the microsecond."""
    config = pod_config(cgroup_parent=explorer.lab.cgroup_parent)
    async with grpc.aio.insecure_channel(explorer.lab.endpoint, options=OPTIONS) as to:
        run = to.unary_unary(
            "/runtime.v1.RuntimeService/RunPodSandbox",
            request_serializer=cri.RunPodSandboxRequest.SerializeToString,
            response_deserializer=cri.RunPodSandboxResponse.FromString,
        )(cri.RunPodSandboxRequest(config=config), timeout=60)
        answer = await run
        bill = parse_bill(str(dict(await run.trailing_metadata())[KEY]))
    number = int(bill["id"])
    record = await explorer.get(f"/api/requests/{number}")
    await page.goto(f"{explorer.url}/#/request/{number}")
    shown = await figures(page)
    for name in FIGURES:
        assert float(shown[name]) == record["bill"][name], name
        assert abs(record["bill"][name] * 1000 - float(bill[name.removesuffix("_ms")])) <= 1, name
    front = "–" if record["bill"]["front_known"] == "none" else f"{record['bill']['front_ms']:.3f}"
    assert shown["front_ms"] == front
    assert round(sum(float(shown[part]) for part in PARTS), 3) == float(shown["wall_ms"]), "to the last decimal"
    error = await page.inner_text("[data-error=price_ms]")
    assert error == (f"±{record['bill']['price_error_ms']:.3f}" if record["bill"]["price_error_ms"] else "")
    of_wall, wall, of_front = await page.evaluate(
        """() => { const width = (one) => parseFloat(one.style.width);
        const sum = (what) => [...document.querySelectorAll(`.billed ${what}`)].map(width).reduce((a, b) => a + b, 0);
        const first = document.querySelector(".billed .wall");
        const parts = [...first.querySelectorAll("i")].map(width).reduce((a, b) => a + b, 0);
        const front = [...document.querySelector(".billed .bar").querySelectorAll(":scope > i.front")];
        return [parts, width(first), front.map(width).reduce((a, b) => a + b, 0)]; }"""
    )
    whole = max(one["front_ms"] + one["wall_ms"] for one in (record["bill"], record["typical"]["bill"]))
    assert abs(of_wall - 100) < 0.1, "the bar's parts add up to the wall time"
    assert abs(wall - 100 * record["bill"]["wall_ms"] / whole) < 0.1
    assert abs(of_front - 100 * record["bill"]["front_ms"] / whole) < 0.1, "the front hop lies outside of it"
    await explorer.lab.client.StopPodSandbox(pod_sandbox_id=answer.pod_sandbox_id)
    await explorer.lab.client.RemovePodSandbox(pod_sandbox_id=answer.pod_sandbox_id)


async def source(page: Page, button: Locator) -> str:
    """What a click on a mark or a word says of where its figure comes from."""
    await button.click()
    shown = page.locator("#source:popover-open")
    await shown.wait_for()
    text = await shown.inner_text()
    await page.keyboard.press("Escape")
    await shown.wait_for(state="hidden")
    return text


async def test_each_figure_of_a_bill_has_its_source_one_click_away(explorer: Explorer, page: Page):
    """Every row has a mark; what it opens says measured, estimated and how, or not known. Escape closes only that."""
    newest = await explorer.newest("RunPodSandbox")
    await page.goto(f"{explorer.url}/#/request/{newest['id']}")
    await page.wait_for_selector(".figures")
    rows = page.locator(".figures tr:has([data-figure])")
    assert await rows.count() == len(FIGURES) + 1
    for number in range(await rows.count()):
        button = rows.nth(number).locator(".mark")
        kind, text = await button.inner_text(), await source(page, button)
        assert text.startswith(kind)
        assert len(text) > len(kind) + 20, "it says how"
    transport = await source(page, page.locator("tr.transport .mark"))
    assert transport.startswith("estimate\n"), "this containerd exports no spans"
    assert "Version" in transport
    assert "own queue is not in it" in await source(page, page.locator("tr.price .mark"))
    assert page.url.endswith(f"#/request/{newest['id']}"), "Escape has not left the request"
    for place in (".priced .mark", ".drawn .mark", ".figures thead .term", "#node .term"):
        assert await source(page, page.locator(place).first)


async def test_a_request_that_runs_has_no_bill_until_it_is_answered(explorer: Explorer, page: Page):
    """A stream of events goes on for as long as its client likes; zeros would be shown as measured."""
    async with explorer.running_stream() as (number, stream):
        await page.goto(f"{explorer.url}/#/request/{number}")
        await page.get_by_text("It still runs").wait_for()
        assert await page.locator("[data-figure]").count() == 0
        stream.cancel()
        assert (await figures(page))["wall_ms"] != "0.000"


async def test_other_architectures_show_no_figure_of_ours(explorer: Explorer, page: Page):
    """What is measured here stands at this daemon's own arrows; the others have documented figures, with their year."""
    await page.goto(f"{explorer.url}/#/architecture")
    await page.wait_for_selector("svg.is-live")
    pictures = page.locator(".picture")
    for number in range(await pictures.count()):
        picture = pictures.nth(number)
        if "live-picture" in (await picture.get_attribute("class") or ""):
            assert await picture.locator(".arrow .sourced").count() == 2, "the front hop and the hops to containerd"
            assert "Version" in await source(page, picture.locator(".arrow .sourced").nth(1))
            continue
        assert await picture.locator(".arrow.hop, .arrow .cost").count() == 0
        marks = await picture.locator(".mark").all()
        if await picture.get_attribute("data-picture") == "Docker beside the kubelet":
            assert marks == [], "no figure is documented of it"
            continue
        (mark,) = marks
        assert "2026" in await mark.inner_text()
        text = await source(page, mark)
        assert "docs/evolution.md" in text
        assert "Not this machine" in text
    for button in await page.locator(".costs .mark").all():
        assert await source(page, button)


async def test_totals_say_how_each_price_is_known(explorer: Explorer, page: Page):
    """Each row's price has a mark, each other column a word that says where its figures come from."""
    await page.goto(f"{explorer.url}/#/methods")
    await page.wait_for_selector(".totals td")
    rows = (await explorer.get("/api/methods"))["methods"]
    assert await page.locator(".totals .price .mark").count() == len(rows)
    assert "own work" in await source(page, page.locator(".totals tr[data-method=RunPodSandbox] .mark"))
    assert "ledger" in await source(page, page.locator(".totals thead .term").first)


async def test_reads_are_hidden_until_asked_for(explorer: Explorer, page: Page):
    """Lists do not crowd out what changes something; the toggle brings them, and each is one in the daemon's table."""
    await explorer.lab.client.ListPodSandbox()
    await page.goto(explorer.url)
    await page.wait_for_selector("#rows a")
    assert await page.locator("#rows .method", has_text="ListPodSandbox").count() == 0
    await page.check("#reads")
    await page.locator("#rows .method", has_text="ListPodSandbox").first.wait_for()
    reads = await page.evaluate(
        "names => import('/page/format.js').then(({ isRead }) => names.filter(isRead))", sorted(RPCS)
    )
    assert reads == sorted(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ)


async def test_everything_by_keyboard(explorer: Explorer, page: Page):
    """Tab reaches the list, arrows move in it, Enter opens, Escape comes back to the same row."""
    await page.goto(explorer.url)
    await page.wait_for_selector("#rows li:nth-child(3)")
    await page.keyboard.press("Tab")
    for _ in range(20):
        if await page.evaluate("document.activeElement.closest('#rows') !== null"):
            break
        await page.keyboard.press("Tab")
    else:
        raise AssertionError("Tab does not reach the list")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        await page.keyboard.press(key)
    row = await page.evaluate("document.activeElement.getAttribute('href')")
    assert row == await page.get_attribute("#rows li:nth-child(2) a", "href")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".figures")
    assert page.url.endswith(row)
    await page.keyboard.press("Escape")
    await becomes(page, "location.hash.startsWith('#/requests?row=')")
    assert await page.evaluate("document.activeElement.getAttribute('href')") == row


async def test_light_and_dark(explorer: Explorer, page: Page):
    """The page follows the system, and the button overrides it for good."""
    ground = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="light")
    await page.goto(explorer.url)
    light = await page.evaluate(ground)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(ground)
    assert light != dark
    await page.click("#theme")
    assert await page.inner_text("#theme") == "Theme: light"
    assert await page.evaluate(ground) == light
    await page.reload()
    assert await page.evaluate(ground) == light
    await page.click("#theme")
    assert await page.evaluate(ground) == dark
    await page.click("#theme")


async def test_on_a_phone_nothing_sticks_out(explorer: Explorer, page: Page):
    """360 pixels are wide enough for every view; the list gives way to the request that was opened."""
    newest = await explorer.newest("RunPodSandbox")
    await page.set_viewport_size({"width": 360, "height": 740})
    for path, drawn in (
        ("requests", "#rows a"),
        (f"request/{newest['id']}", ".waterfall"),
        ("pods", "#pods td"),
        (f"pod/{newest['pod']['id']}", ".lanes"),
        ("methods", ".totals td"),
        ("architecture", ".pictures svg"),
    ):
        await page.goto(f"{explorer.url}/#/{path}")
        await page.wait_for_selector(drawn)
        assert await wide_as(page) == 360, path
    await page.goto(f"{explorer.url}/#/request/{newest['id']}")
    await page.wait_for_selector(".waterfall")
    assert not await page.is_visible("#rows")


async def test_the_architecture_lights_up(explorer: Explorer, page: Page):
    """While a pod starts, the hop, containerd and the CNI plugins are lit in the picture of this daemon, and go out."""
    await page.goto(f"{explorer.url}/#/architecture")
    await page.wait_for_selector("svg.is-live")
    assert await page.locator(".pictures svg").count() == 5
    await page.evaluate(
        """() => { window.seen = new Set(); new MutationObserver((all) => all.forEach(({ target }) =>
        target.classList.contains('lit') && window.seen.add(target.dataset.part)))
        .observe(document.querySelector('svg.is-live'), { subtree: true, attributeFilter: ['class'] }); }"""
    )
    pod = await explorer.run_pod()
    await becomes(page, "['kubelet-cri', 'cri-containerd', 'shim', 'cni'].every((part) => window.seen.has(part))")
    await pod.remove()
    await becomes(page, "document.querySelectorAll('.lit').length === 0")
    assert "measured" in await page.inner_text(".costs")


async def test_totals_are_those_of_the_api(explorer: Explorer, page: Page):
    """The table has a row for each method, with its count."""
    await page.goto(f"{explorer.url}/#/methods")
    await page.wait_for_selector(".totals td")
    answer = await explorer.get("/api/methods")
    counts = await page.eval_on_selector_all(
        ".totals tr[data-method]",
        "all => Object.fromEntries(all.map(row => [row.dataset.method, Number(row.cells[1].textContent)]))",
    )
    assert counts == {row["method"]: row["count"] for row in answer["methods"]}
