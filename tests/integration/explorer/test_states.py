"""What the page says when there is nothing, nothing any more, or nobody to ask: what is so, and what to do."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise
from typing import TYPE_CHECKING

import aiohttp
import grpc
import pytest_asyncio

from cri_shim.explorer.live import MOST_WATCHERS
from tests.integration.explorer.appearance import drawn, inspect, needs_axe, open_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page, Route

    from tests.integration.explorer.conftest import Complaints, Explorer

pytestmark = needs_axe

GONE = (
    *("#/request/123456789", "#/request/no-number", "#/request/99999999999999999999", "#/request/0", "#/request/"),
    *("#/pod/0123456789ab", "#/pod/", "#/pod/..", "#/pod/%C3%A9"),
    *("#/architecture/123456789", "#/architecture/1e30", "#/architecture/0"),
)
REFUSED = (
    *(f"#/requests?search={'x' * 201}", f"#/requests?method={'M' * 9000}", f"#/requests?search={'x' * 9000}&slowest=1"),
    *(f"#/pod/{'a' * 200}", f"#/pod/{'a' * 9000}"),
)
ODD = (
    *(
        "#/requests?row=x",
        "#/requests?method=Unknown&reads=maybe",
        "#/requests?slowest=&search=%00%ED%A0%80",
        "#/nothing/1",
    ),
    *("#/pods?search=(&removed=x&row=%22%5D", "#/methods/1?x=%FF", "#/architecture?from=1", "#//?", "#/__proto__/1"),
)
OF_A_POD = (
    "from=x&to=y",
    "from=1e308",
    "from=-1e308&to=1e308",
    "from=5&to=1",
    "open=x,,1e9",
    "scale=0&reads=0&row=%22",
)
"""Queries of a pod's address."""
VIEWS = ("requests", "pods", "methods", "architecture")
NOBODY_ANSWERS = "Failed to load resource: net::ERR_"
"""What Chromium itself writes into the console when a daemon is away; no page can prevent it."""


@pytest_asyncio.fixture(loop_scope="session")
async def restarted(explorer: Explorer) -> AsyncIterator[Explorer]:
    """The daemon, restarted without a request; after the test it remembers pods again."""
    bridge = explorer.lab.bridge
    await asyncio.to_thread(bridge.stop)
    await asyncio.to_thread(bridge.daemon.start, explorer.is_listening)
    yield explorer
    for _ in range(3):
        await (await explorer.run_pod()).remove()


@pytest_asyncio.fixture(loop_scope="session")
async def mortal(explorer: Explorer) -> AsyncIterator[Explorer]:
    """The daemon, which a test may kill; other tests have it again in any case."""
    yield explorer
    if not explorer.lab.bridge.daemon.alive:
        await asyncio.to_thread(explorer.lab.bridge.start)
    for _ in range(3):
        await (await explorer.run_pod()).remove()


async def test_fresh_start(restarted: Explorer, page: Page):
    """No request has come in: each view says so and names a command, and the first request appears without a reload."""
    wrong = []
    for view in VIEWS:
        await open_view(page, restarted.url, f"#/{view}")
        wrong += await inspect(page, f"{view}, fresh")
        if view != "architecture":  # its pictures are there from the start
            note = page.locator(f"#{view} .situation[data-state=fresh]")
            assert "crictl" in await note.inner_text(), view
    assert not wrong, "\n".join(wrong)
    await open_view(page, restarted.url, "#/requests")
    pod = await restarted.run_pod(name="the-first")
    await page.locator("#rows a", has_text="the-first").wait_for()
    assert await page.locator(".situation:visible").count() == 0
    await pod.remove()


async def test_only_reads_so_far(restarted: Explorer, page: Page):
    """Requests are remembered, and hidden because they only read: that is not the same as none."""
    while not await asyncio.to_thread(restarted.lab.bridge.answers):  # which it asks by ListPodSandbox
        await asyncio.sleep(0.05)
    await open_view(page, restarted.url, "#/requests")
    note = page.locator("#requests .situation[data-state=filtered]")
    await note.get_by_role("link").click()
    await page.locator("#rows .method", has_text="ListPodSandbox").first.wait_for()


async def test_the_daemon_goes_and_comes_back(mortal: Explorer, page: Page, complaints: Complaints):
    """Killed while the page is open: what was drawn stays, each other view says so, and all go on when it is back."""
    bridge = mortal.lab.bridge
    await open_view(page, mortal.url, "#/requests")
    await page.locator("#live[data-state=open]").wait_for()
    before = await page.locator("#rows li").count()
    await asyncio.to_thread(bridge.kill9)
    notice = page.locator("#notice")
    await notice.get_by_text("does not answer").wait_for()
    assert "systemctl status" in await notice.inner_text()
    assert await page.inner_text("#live") == "the daemon is away"
    assert await page.locator("#rows li").count() == before
    wrong = await inspect(page, "requests, away")
    for view in ("request/1", "methods", "pods", "pod/0123456789ab", "architecture"):
        await page.evaluate(f"location.hash = '#/{view}'")
        if view == "architecture":  # its pictures are there without a daemon, and only the figures are missing
            await page.locator("#architecture").get_by_text("the daemon is away").first.wait_for()
        else:
            await page.locator("main > section:not([hidden]) .situation[data-state=away]").wait_for()
        wrong += await inspect(page, f"{view}, away")
    assert not wrong, "\n".join(wrong)
    await asyncio.to_thread(bridge.start)
    await page.locator("#live[data-state=open]").wait_for()
    await page.locator("main > section:not([hidden]) .situation").wait_for(state="detached")
    await notice.wait_for(state="hidden")  # it may say for ten seconds that the daemon is not ready yet
    complaints.forgive(NOBODY_ANSWERS)


async def test_what_is_not_remembered(explorer: Explorer, page: Page):
    """A request or pod that the daemon no longer has, or that never was: no error in the console, and a way on."""
    wrong: list[str] = []
    inspected: set[str] = set()
    for address in GONE:
        await open_view(page, explorer.url, address)
        note = page.locator("main > section:not([hidden]) .situation[data-state=gone]")
        await note.wait_for()
        assert await note.get_by_role("link").count() > 0, address
        kind = address.split("/")[1]
        wrong += [] if kind in inspected else await inspect(page, kind)
        inspected.add(kind)
    assert not wrong, "\n".join(wrong)


async def test_what_the_daemon_refuses(explorer: Explorer, page: Page):
    """What no id and no search can be: the daemon's own words, a way on, and still no error in the console."""
    for address in REFUSED:
        await open_view(page, explorer.url, address)
        note = page.locator("main > section:not([hidden]) .situation[data-state=refused]")
        await note.wait_for()
        assert await note.get_by_role("link").count() > 0, address
    wrong = await inspect(page, "a pod that is refused")
    assert not wrong, "\n".join(wrong)


async def test_the_beginning_of_several_pods_ids(explorer: Explorer, page: Page):
    """Any beginning will do if it is that of one pod; of several, the page leads to the list of just those."""
    pods = (await explorer.get("/api/pods"))["pods"]
    made = [await explorer.run_pod(name=f"alike-{number}") for number in range(max(0, 17 - len(pods)))]
    ids = sorted({pod["id"] for pod in (await explorer.get("/api/pods"))["pods"]})
    digit = next(id_[0] for id_, after in pairwise(ids) if id_[0] == after[0])  # of 17 ids, two have the same first
    await open_view(page, explorer.url, f"#/pod/{digit}")
    note = page.locator("#pod .situation[data-state=refused]")
    await note.get_by_text("use more of it").wait_for()
    await note.get_by_role("link", name=f"Pods whose id begins with {digit}").click()
    await page.locator("#pods tbody tr").first.wait_for()
    shown = await page.locator("#pods tbody th a").evaluate_all("all => all.map((one) => one.title)")
    assert {id_ for id_ in ids if id_.startswith(digit)} <= set(shown) < set(ids)
    for pod in made:
        await pod.remove()


async def test_odd_addresses(explorer: Explorer, page: Page):
    """Whatever stands in the address, the page draws a view, and neither breaks nor claims that the daemon is away."""
    (pod, *_) = (await explorer.get("/api/pods"))["pods"]
    for address in (*ODD, *(f"#/pod/{pod['id']}?{query}" for query in OF_A_POD)):
        await open_view(page, explorer.url, address)
        text = await page.inner_text("main")
        assert not [word for word in ("undefined", "NaN", "Infinity") if word in text], address
        assert await page.locator("[data-state=away]").count() == 0, address


async def test_a_request_that_was_refused(explorer: Explorer, page: Page):
    """The request shows its code and what the daemon said, all of it."""
    with contextlib.suppress(grpc.RpcError):
        await explorer.lab.client.StartContainer(container_id="unknown-" + "u" * 500)
    newest = await explorer.newest("StartContainer")
    assert newest["code"] == "NOT_FOUND"
    await open_view(page, explorer.url, f"#/request/{newest['id']}")
    assert newest["error"] in (await page.inner_text("#request")).replace("\n", " ")
    assert not await inspect(page, "a refused request")


async def test_a_request_that_runs(explorer: Explorer, page: Page):
    """A stream goes on for as long as its client likes; its request says so and has no bill yet."""
    async with explorer.running_stream() as (number, _):
        await open_view(page, explorer.url, f"#/request/{number}")
        wrong = await inspect(page, "a running request")
        await open_view(page, explorer.url, "#/requests?method=GetContainerEvents")
        wrong += await inspect(page, "a list with a running request")
    assert not wrong, "\n".join(wrong)


async def test_too_many_pages_follow(explorer: Explorer, page: Page):
    """The daemon is there and refuses live events: the page says just that, and not that the daemon is away."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        watching: list[aiohttp.ClientResponse] = []
        async with asyncio.timeout(30):
            while len(watching) < MOST_WATCHERS:
                one = await session.get(f"{explorer.url}/api/live")
                if one.status == 200:
                    watching.append(one)
                else:
                    await asyncio.sleep(0.1)  # the tab of the test before has its place until the daemon notices
        await page.goto(f"{explorer.url}/#/methods")
        await page.locator("#notice").get_by_text("sends this page no live events").wait_for()
        assert await page.inner_text("#live") == "not live"
        await drawn(page)
        wrong = await inspect(page, "too many pages")
        for one in watching:
            one.close()
    assert not wrong, "\n".join(wrong)
    await page.locator("#live[data-state=open]").wait_for()
    assert not await page.locator("#notice").is_visible()


async def test_a_daemon_that_is_not_ready(explorer: Explorer, page: Page):
    """It answers, and requests would fail: the notice has the daemon's own words for why, and goes when it is ready."""
    why = "containerd at /run/containerd/containerd.sock does not answer"

    async def not_ready(route: Route) -> None:
        node = await explorer.get("/api/node")
        await route.fulfill(json=node | {"ready": False, "why_not": why})

    await page.route("**/api/node?*", not_ready)
    await open_view(page, explorer.url, "#/requests")
    notice = page.locator("#notice")
    await notice.get_by_text(why).wait_for()
    assert await page.inner_text("#live") == "live"
    assert not await inspect(page, "not ready")
    await page.unroute("**/api/node?*")
    await page.evaluate("import('/page/node.js').then(({ describeNode }) => describeNode())")  # as every ten seconds
    await notice.wait_for(state="hidden")
