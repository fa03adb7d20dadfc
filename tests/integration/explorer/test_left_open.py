"""A page that is left open while requests come and go, and is used now and then: what it says stays true."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from containerd_client.hops import Hop
from cri_shim.explorer.live import LiveFeed
from cri_shim.ledger.ledger import LedgerOff
from cri_shim.ledger.transport.transport_estimate import Charge
from tests.fakes.objects import POD, a_pod
from tests.integration.explorer.local_node import LocalNode, opened
from tests.integration.explorer.test_page import becomes, wide_as

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page, Route

    from tests.integration.explorer.conftest import Complaints


def rows(count: int) -> str:
    """Whether the list has so many rows."""
    return f"document.querySelectorAll('#rows li').length === {count}"


async def test_what_is_filtered_for_stays_in_the_list(node: LocalNode, page: Page):
    """However many other requests come in: the daemon remembers it for as long."""
    for _ in range(3):
        node.note("StopContainer")
    await opened(page, node, "#/requests?method=StopContainer")
    await becomes(page, rows(3))
    for _ in range(40):
        for _ in range(20):
            node.note("ExecSync")
        await asyncio.sleep(0.02)
    node.note("StopContainer")
    await becomes(page, rows(4))


async def test_what_comes_in_while_the_list_is_asked_for(node: LocalNode, page: Page):
    """It is in the list: the answer was made before, and the event is not sent again."""

    async def late(route: Route) -> None:
        await asyncio.sleep(0.3)  # the requests themselves have been answered by now
        node.note("StopContainer", "NOT_FOUND")
        await asyncio.sleep(0.3)
        await route.continue_()

    await page.route("**/api/methods?*", late)
    await opened(page, node)
    await asyncio.sleep(1)
    noted = node.ledger.count
    assert noted
    await becomes(page, rows(noted), 5)


async def test_a_request_that_was_shown_is_let_go(node: LocalNode, page: Page):
    """The window's width has one listener, however many requests were opened: each would keep its whole view."""
    await page.add_init_script(
        """window.followers = 0; MediaQueryList.prototype.addEventListener = function (...all) {
        window.followers += 1; return EventTarget.prototype.addEventListener.apply(this, all); };"""
    )
    for _ in range(4):
        node.note("StopContainer")
    for number in range(1, 5):
        await opened(page, node, f"#/request/{number}")
        await page.locator("#request .number", has_text=f"request {number}").wait_for()
    assert await page.evaluate("window.followers") == 1
    await page.set_viewport_size({"width": 700, "height": 900})
    await becomes(page, "!document.querySelector('.folded').open")
    await page.set_viewport_size({"width": 1360, "height": 900})
    await becomes(page, "document.querySelector('.folded').open")


async def test_a_running_request_whose_end_was_lost(node: LocalNode, page: Page):
    """It is asked for again when events were lost, and when the daemon is back: that may be another one."""
    running = node.ledger.open("StopContainer")
    await opened(page, node, f"#/request/{running.id}")
    await page.get_by_text("It still runs").wait_for()
    listeners, node.ledger._listeners = node.ledger._listeners, ()
    node.ledger.close(running)
    node.ledger._listeners = listeners
    (feed,) = listeners
    assert isinstance(feed, LiveFeed)
    feed._put("lost", {"events": 1})
    await page.wait_for_selector(".figures td[data-figure]", timeout=5000)


async def test_the_tab_is_named_after_what_is_shown(node: LocalNode, page: Page):
    """An answer that comes after the reader has left does not rename it, and coming back names it again."""
    node.sandboxes.put(a_pod())
    node.note("StopContainer")

    async def late(route: Route) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    await page.route("**/api/requests/1?*", late)
    await page.route("**/api/pods/*", late)
    await opened(page, node, "#/request/1")
    await page.click("nav a[data-view=pods]")
    await page.locator("#request .number", has_text="request 1").wait_for(state="attached")
    assert await page.title() == "Pods · cri-shim"
    await page.go_back()
    await becomes(page, "document.title === 'StopContainer · cri-shim'", 5)
    await opened(page, node, f"#/pod/{POD}")
    await page.click("nav a[data-view=methods]")
    await page.locator("#pod .facts").wait_for(state="attached")
    assert await page.title() == "Methods · cri-shim"


async def test_keys_of_a_view_that_is_not_shown(node: LocalNode, page: Page):
    """`n` goes to the pod's next request only while a request is shown."""
    for _ in range(2):
        node.note("RunPodSandbox", "UNKNOWN", name="web", namespace="shop")
    await opened(page, node, "#/request/1")
    await page.locator("#request a[rel=next]").wait_for()
    await page.click("nav a[data-view=methods]")
    await page.wait_for_selector(".totals td")
    await page.keyboard.press("n")
    await asyncio.sleep(0.2)
    assert page.url.endswith("#/methods")


async def test_times_at_the_turn(node: LocalNode, page: Page):
    """The hour after midnight is 00, and a rest that is rounded up to a whole unit is one more of the greater unit."""
    await opened(page, node, "#/methods")
    lengths, moments = await page.evaluate(
        """() => import("/page/format.js").then(({ span, clock, dated }) => {
        const midnight = new Date(2026, 0, 1, 0, 5, 7).getTime() / 1000;
        const lengths = [119700, 3599600, 7199000, 172000000, 86399000 * 3, 90000, 59000];
        return [lengths.map(span), [clock(midnight), dated(midnight)]]; })"""
    )
    assert lengths == ["2 min 0 s", "1 h 0 min", "2 h 0 min", "47 h 47 min", "3 days 0 h", "1 min 30 s", "59.0 s"]
    assert moments[0] == "00:05:07.000"
    assert " 00:05:07" in moments[1]


async def test_a_daemon_that_was_away_and_sends_no_live_events(node: LocalNode, page: Page, complaints: Complaints):
    """It is not away any more, so the next time that it goes it is away since then."""
    await page.route("**/api/live?*", lambda route: route.abort())
    await page.route("**/api/node?*", lambda route: route.abort())
    await page.goto(f"{node.url}/#/methods")
    away = "import('/page/presence.js').then(({ isAway }) => isAway())"
    await becomes(page, away)
    await page.unroute("**/api/node?*")
    await page.locator("#notice").get_by_text("sends this page no live events").wait_for()
    assert not await page.evaluate(away)
    complaints.forgive("net::ERR_")


async def test_parts_do_not_stay_lit(node: LocalNode, page: Page):
    """What ended while another view was shown is dark when the reader comes back."""
    await opened(page, node, "#/architecture")
    await page.wait_for_selector("svg.is-live")
    running = node.ledger.open("StopContainer")
    await page.wait_for_selector(".lit")
    await page.click("nav a[data-view=methods]")
    node.ledger.close(running)
    await page.wait_for_selector(".totals td")
    await page.go_back()
    await becomes(page, "document.querySelectorAll('.lit').length === 0", 5)


async def test_one_replay_at_a_time(node: LocalNode, page: Page):
    """Two clicks play the pod's start once; what was begun first would go on, and could not be stopped."""
    node.note("RunPodSandbox")
    await opened(page, node, "#/architecture")
    await page.wait_for_selector("svg.is-live")
    await page.evaluate(
        """() => { window.begun = 0; window.ended = 0;
        const [set, clear] = [window.setTimeout, window.clearTimeout];
        window.setTimeout = (what, after) => { if (after > 11_000) window.begun += 1; return set(what, after); };
        window.clearTimeout = (one) => { window.ended += 1; clear(one); };
        const button = document.getElementById("replay"); button.click(); button.click(); }"""
    )
    await becomes(page, "!document.getElementById('stop').hidden")
    await asyncio.sleep(0.5)
    assert await page.evaluate("window.begun") == 1


async def test_a_pod_by_the_beginning_of_its_id(node: LocalNode, page: Page):
    """Its timeline goes on, as with the whole id."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD[:12]}")
    await page.wait_for_selector("#pod-request-1")
    await asyncio.sleep(1)  # it is asked for once more when the live events begin
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-2", timeout=5000)


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("query", ["", "?scale=1"], ids=["cuts", "without cuts"])
async def test_the_grid_of_a_timeline(node: LocalNode, page: Page, query: str, width: int):
    """Its lines begin right below the scale, and go through the first lane, too."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.set_viewport_size({"width": width, "height": 900})
    await opened(page, node, f"#/pod/{POD}{query}")
    await page.wait_for_selector("#pod-request-1")
    gap = await page.evaluate(
        """() => { const box = (what) => document.querySelector(what).getBoundingClientRect();
        return box(".lanes .ground").top - box(".lanes .axis-head").bottom; }"""
    )
    assert abs(gap) < 2


async def test_a_price_with_an_unknown_part(node: LocalNode, page: Page):
    """A pod's table marks it as the list of requests does, and the sum above it says what is not in it."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, "#/requests")
    await page.locator("#rows .when", has_text="price ≥").wait_for()
    await opened(page, node, f"#/pod/{POD}")
    price = page.locator(".pod-requests td[data-head=price]")
    assert (await price.inner_text()).startswith("≥")
    assert "without the front hop" in await page.inner_text("#pod .priced")
    assert "transport" not in await page.inner_text("#pod .priced")


async def test_a_price_without_transport(node: LocalNode, page: Page):
    """A daemon that has just started knows neither part of it; every view says so, and calls none of it an estimate."""
    node.sandboxes.put(a_pod())
    request = node.ledger.open("StopPodSandbox")
    request.subject = {"sandbox_id": POD}
    request.hops.append(Hop("containerd.services.tasks.v1.Tasks/Kill", request.started, 1e-4, 1, 1, 1, "OK"))
    request.charges.append(None)
    node.ledger.close(request)
    for view, where in ((f"request/{request.id}", "#request .priced"), (f"pod/{POD}", "#pod .priced")):
        await opened(page, node, f"#/{view}")
        text = await page.locator(where).inner_text()
        assert "without the front hop and transport measured" in " ".join(text.split())
    await opened(page, node, "#/methods")
    await page.locator("#methods .price", has_text="without the front hop and transport").wait_for()


async def test_a_pod_of_which_one_price_has_an_unknown_part(node: LocalNode, page: Page):
    """The sum says of how many requests."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    known = node.ledger.open("StopPodSandbox")
    known.subject, known.front_known = {"sandbox_id": POD}, "estimate"
    node.ledger.close(known)
    await opened(page, node, f"#/pod/{POD}")
    await page.locator("#pod .priced", has_text="without parts that are not known of 1 of them").wait_for()


async def test_what_was_opened_below_a_timeline_stays_open(node: LocalNode, page: Page):
    """However often the pod goes on."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.click("#pod .take summary")
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-2")
    assert await page.evaluate("document.querySelector('#pod .take').open")


@pytest.mark.parametrize(("view", "path"), [("methods", "/api/methods"), ("pods", "/api/pods")])
async def test_prices_that_are_known_better_later(node: LocalNode, page: Page, view: str, path: str):
    """Totals and pods are asked for again when containerd has reported its share, without another request."""
    node.sandboxes.put(a_pod())
    request = node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/{view}")
    await page.wait_for_selector(f"#{view} td")
    await asyncio.sleep(2)
    async with page.expect_request(lambda asked: path in asked.url, timeout=5000):
        node.ledger.rebill(request, ())


async def test_how_the_price_of_a_pod_is_known(node: LocalNode, page: Page):
    """By its requests that made hops; one that was answered from memory, or that still runs, does not make it mixed."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    request = node.ledger.open("StopPodSandbox")
    request.subject = {"sandbox_id": POD}
    request.hops.append(Hop("containerd.services.tasks.v1.Tasks/Kill", request.started, 1e-4, 1, 1, 1, "OK"))
    request.charges.append(Charge(5e-5, 1e-5))
    node.ledger.close(request)
    running = node.ledger.open("StopPodSandbox")
    running.subject = {"sandbox_id": POD}
    await opened(page, node, f"#/pod/{POD}")
    await page.click("#pod .priced .mark")
    assert "transport: estimate;" in await page.inner_text("#source:popover-open p")
    node.ledger.close(running)


async def test_what_is_not_of_today_has_its_date(node: LocalNode, page: Page):
    """Pods live for weeks; a row of today gets its date when it has become one of yesterday."""
    node.sandboxes.put(a_pod().replace(created_at=int(datetime(2025, 3, 7, 12, tzinfo=UTC).timestamp() * 1e9)))
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, "#/pods")
    assert (await page.inner_text("#pods time")).startswith("Mar 7, 2025, ")
    await page.set_viewport_size({"width": 980, "height": 900})
    assert await wide_as(page) == 980
    await opened(page, node, "#/requests")
    row = page.locator("#rows .when")
    await row.wait_for()
    now = datetime.now(UTC).astimezone()
    today = f"{now:%b %-d, %Y}"
    assert today not in await row.inner_text()
    await page.clock.install(time=now + timedelta(days=1))
    node.note("ListPodSandbox")
    await becomes(page, f"document.querySelector('#rows .when').textContent.includes('{today}')")
    await opened(page, node, "#/request/1")
    await page.locator("#request .facts", has_text=today).wait_for()
    await opened(page, node, f"#/pod/{POD}")
    await page.locator(".pod-requests td[data-head=at]", has_text=today).wait_for()


@pytest.mark.parametrize("address", ["#/requests", "#/requests?slowest=1", "#/methods", f"#/pod/{POD}"])
async def test_a_daemon_that_keeps_no_requests(tmp_path: Path, page: Page, address: str):
    """It does not say that none has come in, nor that the next one will appear: the ledger is switched off."""
    off = LocalNode(tmp_path, LedgerOff)
    off.listener.bind()
    off.sandboxes.put(a_pod())
    await opened(page, off, address)
    await page.locator("section:not([hidden])").get_by_text("The daemon keeps no requests.").wait_for(timeout=5000)
    await page.goto("about:blank")
    await off.listener.stop()


async def test_a_view_that_fails_with_an_event_stops_no_other(node: LocalNode, page: Page, complaints: Complaints):
    """Its error is in the console, and the views after it get the event, too."""
    await opened(page, node)
    await page.evaluate(
        """async () => {
            const { listen } = await import("/page/api.js");
            window.seen = [];
            listen(() => { throw new Error("of one view"); });
            listen((name) => window.seen.push(name));
        }"""
    )
    node.note("StopContainer")
    await becomes(page, "window.seen.includes('end')")
    assert "of one view" in " ".join(complaints.texts)
    complaints.forgive("of one view")
