"""Pods on the page: their list, the timeline of one, names instead of ids, search, keys, and what the address keeps."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import grpc
import pytest

from lab.pod_configs import sh
from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

    from lab.pods import Container, Pod
    from tests.integration.explorer.conftest import Complaints, Explorer

SLEEP = sh("sleep 1000")


async def a_life(explorer: Explorer, name: str) -> tuple[Pod, Container]:
    """Run a pod with a container that is asked something, and is stopped; the pod is left for the test to remove."""
    pod = await explorer.run_pod(name=name, namespace="shop")
    app = await pod.start("app", command=SLEEP)
    await app.execute("true")
    await app.stop()
    return pod, app


async def open_page(explorer: Explorer, page: Page, path: str, drawn: str) -> None:
    """Open an address, and wait until it is drawn."""
    await page.goto(f"{explorer.url}/#/{path}")
    await page.wait_for_selector(drawn)


async def requests_of(explorer: Explorer, pod: Pod) -> list[dict[str, Any]]:
    """What the API has about a pod, without what only reads."""
    requests: list[dict[str, Any]] = (await explorer.get(f"/api/pods/{pod.id}"))["requests"]
    return [one for one in requests if not one["method"].endswith("Status")]


async def test_a_pod_appears_and_stays_when_it_is_removed(explorer: Explorer, page: Page):
    """The list is live, newest first, and has removed pods for as long as the ledger has their requests."""
    await open_page(explorer, page, "pods", "#pods td")
    pod = await explorer.run_pod(name="in-the-list", namespace="shop")
    row = page.locator("#pods tbody tr", has_text="shop/in-the-list")
    await row.locator(".ready").wait_for()
    assert await page.locator("#pods tbody tr").first.locator("a").inner_text() == "shop/in-the-list"
    assert await row.locator("a").get_attribute("title") == pod.id
    await pod.start("app", command=SLEEP)
    await row.get_by_text("app").wait_for()
    await pod.remove()
    await row.locator(".removed").wait_for()
    await page.uncheck("#removed")
    await row.wait_for(state="detached")
    await page.reload()
    await page.wait_for_selector("#pods td, #pods [data-state=filtered]")
    assert not await page.is_checked("#removed")
    assert await row.count() == 0
    await page.go_back()
    await row.wait_for()


async def test_the_timeline_has_every_request_in_its_lane(explorer: Explorer, page: Page):
    """Each request is a bar in the lane of the pod or of its container and leads to the request; hops are below it."""
    pod, app = await a_life(explorer, "timeline")
    await pod.remove()
    await open_page(explorer, page, f"pod/{pod.id}", ".lanes .request-bar")
    assert await page.inner_text("#pod h2") == "shop/timeline"
    assert await page.title() == "shop/timeline · cri-shim"
    requests = await requests_of(explorer, pod)
    lanes: dict[str, list[int]] = await page.eval_on_selector_all(
        ".lane-group",
        """all => Object.fromEntries(all.map(lane => [lane.getAttribute("aria-label"),
        [...lane.querySelectorAll("a.request-bar")].map(bar => Number(bar.dataset.request))]))""",
    )
    of_app = [one["id"] for one in requests if one["subject"].get("container_id") == app.id]
    assert sorted(lanes["container app"]) == of_app
    assert sorted(lanes["the pod itself"]) == [one["id"] for one in requests if one["id"] not in of_app]
    hops = sum(one["hop_count"] for one in requests)
    await becomes(page, f"document.querySelectorAll('.lanes i.hop').length === {hops}")
    assert await page.locator(".lanes i.helper").count() == sum(one["helper_count"] for one in requests)
    widths: dict[str, float] = await page.eval_on_selector_all(
        ".request-bar", "all => Object.fromEntries(all.map(bar => [bar.dataset.request, parseFloat(bar.style.width)]))"
    )
    assert widths[str(requests[0]["id"])] > 0
    assert await page.locator(".pod-requests tbody tr").count() == len(requests)
    assert pod.id in await page.inner_text("#pod .facts"), "ids stay findable"
    await page.locator(f".request-bar[data-request='{of_app[0]}']").click()
    await page.wait_for_selector("#request .title")
    assert page.url.endswith(f"#/request/{of_app[0]}")


async def test_quiet_hours_are_left_out_and_named(explorer: Explorer, page: Page):
    """The axis cuts what would hide everything else, says how much, and can be drawn to scale instead."""
    axis = await page_axis(
        explorer, page, [0, 150, 200, 260, 7_200_000, 7_200_040], [[0, 150], [200, 260], [7_200_000, 7_200_040]]
    )
    cut = [one for one in axis["segments"] if one["cut"]]
    assert [(one["from"], one["to"], one["idle"]) for one in cut] == [(260, 7_200_000, True)]
    assert axis["drawn"] == 300
    drawn = [one for one in axis["segments"] if not one["cut"]]
    scales = {round(one["width"] / (one["to"] - one["from"]), 6) for one in drawn}
    assert len(scales) == 1, "what is drawn has one scale"
    assert sum(one["width"] for one in axis["segments"]) == pytest.approx(100)
    waiting = await page_axis(explorer, page, [0, 150, 160, 30_160, 30_200], [[0, 150], [150, 30_200]])
    assert [(one["from"], one["to"], one["idle"]) for one in waiting["segments"] if one["cut"]] == [
        (160, 30_160, False)
    ], "a long wait inside of a request is left out, too"
    alone = await page_axis(explorer, page, [0, 30_000], [[0, 30_000]])
    assert [one["cut"] for one in alone["segments"]] == [False], "but not if it is all that there is"
    whole = await page_axis(explorer, page, [0, 1, 3_600_000], [[0, 1]], to_scale=True)
    assert [one["cut"] for one in whole["segments"]] == [False]


async def page_axis(
    explorer: Explorer, page: Page, moments: list[int], busy: list[list[int]], *, to_scale: bool = False
) -> dict[str, Any]:
    """The axis that the page makes."""
    await open_page(explorer, page, "pods", "#pods td, #pods [data-state]")
    axis: dict[str, Any] = await page.evaluate(
        """([moments, busy, toScale]) => import("/page/pod_axis.js").then(({ axisOf }) => {
        const { segments, drawn } = axisOf(moments[0], moments.at(-1), moments, busy, { toScale });
        return { segments, drawn }; })""",
        [moments, busy, to_scale],
    )
    return axis


async def test_a_request_is_unfolded_and_a_range_is_zoomed(explorer: Explorer, page: Page):
    """By keyboard and by mouse; the choice is in the address, so that reload and Back keep it."""
    pod, _ = await a_life(explorer, "zoomed")
    await pod.remove()
    await open_page(explorer, page, f"pod/{pod.id}", ".lanes i.hop")
    start = (await requests_of(explorer, pod))[0]
    whole = page.url
    await page.locator(".pod-requests tbody tr").first.get_by_text("unfold").click()
    rows = page.locator(".lane.single")
    await rows.first.wait_for()
    assert await rows.count() == start["hop_count"] + start["helper_count"]
    assert await page.locator(".request-bar").count() == 1, "the others are out of the range"
    assert f"open={start['id']}" in page.url
    zoomed = page.url
    await page.reload()
    await rows.first.wait_for()
    await page.go_back()
    await becomes(page, "document.querySelectorAll('.request-bar').length > 1")
    assert page.url.partition("?")[0] == whole
    await draw_range(page)
    assert page.url != zoomed
    await page.get_by_text("All of it").click()
    await becomes(page, "!location.hash.includes('from=')")


async def draw_range(page: Page) -> None:
    """Draw over the first third of the timeline; once more if it was drawn anew between looking and pressing."""
    for _ in range(10):
        box = await page.locator(".lane-group").first.locator(".lane-track").first.bounding_box()
        if box is not None:
            await page.mouse.move(box["x"] + 2, box["y"] + 4)
            await page.mouse.down()
            await page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 4, steps=4)
            await page.mouse.up()
        await asyncio.sleep(0.5)
        if await page.evaluate("location.hash.includes('from=') && location.hash.includes('to=')"):
            return
    raise AssertionError("the range that was drawn is not in the address")


async def test_names_are_everywhere_and_ids_stay_findable(explorer: Explorer, page: Page):
    """A request that carries only an id is named, in the list and in its view, also after the object is gone."""
    pod, app = await a_life(explorer, "named")
    await pod.remove()
    with pytest.raises(grpc.aio.AioRpcError):
        await app.execute("true")
    await open_page(explorer, page, "requests", "#rows a")
    row = page.locator("#rows a", has_text="ExecSync").filter(has_text="shop/named/app").filter(has_text="NOT_FOUND")
    await row.wait_for()
    assert app.id in (await row.locator(".about").get_attribute("title") or "")
    shown = await page.locator("#rows .about").all_inner_texts()
    assert not [text for text in shown if app.id[:8] in text or pod.id[:8] in text]
    await row.click()
    await page.wait_for_selector("#request .of-pod")
    assert "shop/named/app" in await page.inner_text("#request h2")
    facts = await page.inner_text("#request .facts")
    assert app.id in facts
    assert pod.id in facts
    await page.locator("#request .of-pod a", has_text="Pod shop/named").click()
    await page.wait_for_selector(".lanes .request-bar")
    assert page.url.endswith(f"#/pod/{pod.id}")


async def test_a_request_leads_to_its_neighbours(explorer: Explorer, page: Page):
    """To the previous and the next request of the same pod, by click and by key; reads are passed over."""
    pod, app = await a_life(explorer, "neighbours")
    await app.status()
    await pod.remove()
    ids = [one["id"] for one in await requests_of(explorer, pod)]
    await open_page(explorer, page, f"request/{ids[0]}", "#request a[rel=next]")
    assert await page.locator("#request a[rel=prev]").count() == 0
    for number in ids[1:]:
        await page.locator("#request a[rel=next]").wait_for()
        await page.keyboard.press("n")
        await becomes(page, f"location.hash === '#/request/{number}'")
        await page.locator("#request .title .number", has_text=str(number)).wait_for()
    await page.wait_for_selector("#request a[rel=prev]")
    assert await page.locator("#request a[rel=next]").count() == 0
    await page.keyboard.press("p")
    await becomes(page, f"location.hash === '#/request/{ids[-2]}'")


async def test_search_by_keyboard(explorer: Explorer, page: Page):
    """/ goes to the search, what is typed narrows the list, and the address has it."""
    pod, app = await a_life(explorer, "searched")
    await pod.remove()
    await open_page(explorer, page, "methods", ".totals td")
    await page.keyboard.press("/")
    await becomes(page, "document.activeElement.id === 'search'")
    await page.keyboard.type("SEARCHED stop")
    await becomes(page, "location.hash.includes('search=')")
    await becomes(page, "document.querySelectorAll('#rows li').length === 2")
    assert set(await page.locator("#rows .method").all_inner_texts()) == {"StopContainer", "StopPodSandbox"}
    assert parse_qs(page.url.partition("?")[2])["search"] == ["SEARCHED stop"]
    await page.reload()
    await becomes(page, "document.querySelectorAll('#rows li').length === 2")
    assert await page.input_value("#search") == "SEARCHED stop"
    await page.go_back()
    await becomes(page, "document.querySelectorAll('#rows li').length > 2")
    assert await page.input_value("#search") == ""
    await page.fill("#search", app.id[:7])
    await becomes(
        page, "[...document.querySelectorAll('#rows .about')].every(one => one.textContent === 'shop/searched/app')"
    )
    assert await page.locator("#rows li").count() >= 3
    await page.fill("#search", "nothing-has-this")
    await page.get_by_text("Clear the search").click()
    await becomes(page, "document.querySelectorAll('#rows li').length > 2")
    assert await page.input_value("#search") == ""


async def test_page_and_daemon_search_by_one_rule(explorer: Explorer, page: Page):
    """What comes in live is filtered by the page, what is remembered by the daemon."""
    pod, app = await a_life(explorer, "one-rule")
    await explorer.lab.client.ListPodSandbox()
    await pod.remove()
    await open_page(explorer, page, "methods", ".totals td")
    everything = (await explorer.get("/api/requests?limit=2000"))["requests"]
    for search in (
        "one-rule",
        "shop/one-rule/app",
        app.id[:9],
        app.id[1:9],
        "exec",
        "OK run",
        "BUSYBOX",
        str(everything[0]["id"]),
    ):
        by_daemon = [one["id"] for one in (await explorer.get(f"/api/requests?limit=2000&search={search}"))["requests"]]
        by_page = await page.evaluate(
            """([requests, search]) => import("/page/search.js").then(({ requestHas, wordsOf }) =>
            requests.filter(one => requestHas(one, wordsOf(search))).map(one => one.id))""",
            [everything, search],
        )
        known = {one["id"] for one in everything}
        assert by_page == [number for number in by_daemon if number in known], search


async def test_keys_move_and_open(explorer: Explorer, page: Page):
    """j and k move; while a request is open they open its neighbours in the list; ? shows the keys; Esc goes back."""
    await open_page(explorer, page, "requests?method=RunPodSandbox", "#rows li:nth-child(3)")
    hrefs = await page.eval_on_selector_all("#rows a", "all => all.map(one => one.getAttribute('href'))")
    for key in "jjjk":
        await page.keyboard.press(key)
    await becomes(page, f"document.activeElement.getAttribute('href') === '{hrefs[1]}'")
    await becomes(page, "/method=RunPodSandbox&row=\\d+/.test(location.hash)")
    await page.reload()
    await becomes(page, f"document.activeElement.getAttribute('href') === '{hrefs[1]}'")
    await page.keyboard.press("Enter")
    await becomes(page, f"location.hash === '{hrefs[1]}'")
    await page.keyboard.press("j")
    await becomes(page, f"location.hash === '{hrefs[2]}'")
    assert "method=RunPodSandbox" in page.url
    await page.keyboard.press("?")
    await page.locator("#keys").wait_for()
    await page.keyboard.press("Escape")
    await page.locator("#keys").wait_for(state="hidden")
    assert page.url.endswith(hrefs[2]), "Esc has closed only the keys"
    await page.keyboard.press("Escape")
    await becomes(page, f"document.activeElement.getAttribute('href') === '{hrefs[2]}'")
    await page.focus("#search")
    await page.keyboard.type("j?")
    assert await page.input_value("#search") == "j?", "in a field a key is text"
    assert not await page.is_visible("#keys")


async def test_all_choices_are_in_the_address(explorer: Explorer, page: Page):
    """Method, reads and slowest: a reload keeps them, Back takes the last one back."""
    await open_page(explorer, page, "requests", "#rows a")
    await page.check("#reads")
    await page.check("#slowest")
    await page.select_option("#method", "RunPodSandbox")
    await becomes(page, "new URLSearchParams(location.hash.split('?')[1]).get('method') === 'RunPodSandbox'")
    await page.reload()
    await page.wait_for_selector("#rows a")
    await becomes(page, "document.getElementById('method').value === 'RunPodSandbox'")
    assert await page.is_checked("#reads")
    assert await page.is_checked("#slowest")
    await page.go_back()
    await becomes(page, "document.getElementById('method').value === ''")
    assert await page.is_checked("#slowest")
    await page.go_back()
    await becomes(page, "!document.getElementById('slowest').checked")
    assert await page.is_checked("#reads")


async def test_the_page_works_with_the_daemon_of_the_release_before(
    explorer: Explorer, page: Page, complaints: Complaints
):
    """It has no names, no pods and no search: the page makes do with requests, and says so where that is not all."""
    pod, app = await a_life(explorer, "older")
    await pod.remove()

    async def older(route: Route) -> None:
        url = route.request.url.partition("/api/")[2]
        if url.startswith("pods"):
            await route.fulfill(status=404, body="404: Not Found")
            return
        answer = await route.fetch(url=f"{explorer.url}/api/{url}")
        if answer.status == 200:
            await route.fulfill(response=answer, body=json.dumps(without_new(await answer.json())))
        else:
            await route.fulfill(response=answer)

    await page.route("**/api/live*", lambda route: route.abort())
    await page.route("**/api/requests*", older)
    await page.route("**/api/requests/*", older)
    await page.route("**/api/node?*", older)
    await page.route("**/api/pods*", older)
    await page.route("**/api/pods/*", older)
    await open_page(explorer, page, "pods", "#pods td")
    await page.locator("#pods .hint", has_text="earlier release").wait_for()
    row = page.locator("#pods tbody tr", has_text="older")
    await row.locator("a").click()
    await page.wait_for_selector(".lanes .request-bar")
    assert await page.locator(".lane-group").count() == 2
    assert "app" in await page.locator(".lane-group").nth(1).inner_text()
    await open_page(explorer, page, "requests?search=older", "#rows li")
    await open_page(explorer, page, f"requests?search={app.id[:8]}", "#rows li:nth-child(2)")
    await page.locator("#rows a", has_text="StopContainer").first.click()
    await page.wait_for_selector("#request .facts")
    assert app.id in await page.inner_text("#request .facts")
    await page.unroute_all(behavior="wait")
    complaints.forgive("ERR_FAILED")  # the live events, which the test refuses: they have names


def without_new(answer: Any) -> Any:
    """An answer as a daemon of the release before gives it."""
    if isinstance(answer, list):
        return [without_new(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    new = {"pod", "container", "neighbours", "offers"}
    left = {key: without_new(value) for key, value in answer.items() if key not in new}
    if isinstance(left.get("subject"), dict):
        left["subject"].pop("namespace", None)
    return left
