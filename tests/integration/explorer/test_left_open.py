"""A page that is left open while requests come and go, and is used now and then: what it says stays true.

The daemon's part is a ledger and its listener in this process, so that a test decides what happens, and when.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest_asyncio

from cri_shim.daemon.about_pods import about_pods
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.live import LiveFeed
from cri_shim.explorer.web_sources import WebSources
from cri_shim.ledger.known_names import KnownNames
from cri_shim.ledger.ledger import Ledger
from cri_shim.rpc import RPCS, Kind
from cri_shim.state.containers import Container
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from tests.fakes.objects import POD, a_pod
from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Page, Route

    from cri_shim.ledger.request import Request
    from tests.integration.explorer.conftest import Complaints

LIVE = "#live[data-state=open]"
UNKNOWN = dict.fromkeys(("front_ms", "front_error_ms", "null_hop_ms", "null_hop_error_ms"))


class Node:
    """A state and a ledger, and the listener that shows both."""

    def __init__(self, state: Path) -> None:
        self.sandboxes, self.containers = Index[Sandbox]("sandbox"), Index[Container]("container")
        self.ledger = Ledger(names=KnownNames(self.sandboxes, self.containers).of)
        about = {"version": "1", "containerd_version": "2", "front_known": "none", "loop_lag_ms": 0.0, "pods": 0}
        sources = WebSources(
            self.ledger,
            metrics=lambda _: (b"", "text/plain"),
            node=lambda: {**about, **UNKNOWN, "containers": 0, "ready": True},
            reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
            pods=about_pods(self.sandboxes, self.containers),
        )
        self.listener = HttpListener("127.0.0.1:0", state, sources)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.listener.address}"

    def note(self, method: str, code: str = "OK", **subject: str) -> Request:
        """Record a request."""
        request = self.ledger.open(method)
        request.subject = subject
        self.ledger.close(request, code)
        return request


@pytest_asyncio.fixture(loop_scope="session")
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """What the page is of."""
    one = Node(tmp_path)
    one.listener.bind()
    yield one
    await one.listener.stop()


async def opened(page: Page, node: Node, address: str = "") -> None:
    """Show a view, and wait until it is live."""
    await page.goto(f"{node.url}/{address}")
    await page.wait_for_selector(LIVE)


def rows(count: int) -> str:
    """Whether the list has so many rows."""
    return f"document.querySelectorAll('#rows li').length === {count}"


async def test_what_is_filtered_for_stays_in_the_list(node: Node, page: Page):
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


async def test_what_comes_in_while_the_list_is_asked_for(node: Node, page: Page):
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


async def test_a_request_that_was_shown_is_let_go(node: Node, page: Page):
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


async def test_a_running_request_whose_end_was_lost(node: Node, page: Page):
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


async def test_the_tab_is_named_after_what_is_shown(node: Node, page: Page):
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


async def test_keys_of_a_view_that_is_not_shown(node: Node, page: Page):
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


async def test_times_at_the_turn(node: Node, page: Page):
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


async def test_a_daemon_that_was_away_and_sends_no_live_events(node: Node, page: Page, complaints: Complaints):
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


async def test_parts_do_not_stay_lit(node: Node, page: Page):
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


async def test_one_replay_at_a_time(node: Node, page: Page):
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


async def test_the_link_that_skips_the_head(node: Node, page: Page):
    """It leads to the content, and what the reader has chosen stays in the address."""
    node.note("StopContainer")
    await opened(page, node, "#/requests?method=StopContainer")
    await becomes(page, rows(1))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await becomes(page, "document.activeElement.id === 'main'")
    assert page.url.endswith("#/requests?method=StopContainer")


FOCUSED = "document.activeElement.textContent"


async def test_the_focus_stays_where_it_is(node: Node, page: Page):
    """Totals, the foot of the page and a request that runs are drawn anew under the reader's hands."""
    node.note("StopContainer")
    await opened(page, node, "#/methods")
    await page.focus(".totals a")
    node.note("StopContainer")
    await becomes(page, "document.querySelector('.totals td').textContent === '2'")
    assert await page.evaluate(FOCUSED) == "StopContainer"
    await page.locator("#node button", has_text="loop lag").focus()
    await page.evaluate("import('/page/node.js').then(({ describeNode }) => describeNode())")  # as every ten seconds
    assert await page.evaluate(FOCUSED) == "loop lag"
    running = node.ledger.open("StopContainer")
    await opened(page, node, f"#/request/{running.id}")
    await page.get_by_text("It still runs").wait_for()
    await page.locator("#request button", has_text="Copy JSON").focus()
    node.ledger.close(running)
    await page.wait_for_selector(".figures td[data-figure]")
    assert await page.evaluate(FOCUSED) == "Copy JSON"


async def test_the_focus_in_a_timeline(node: Node, page: Page):
    """It stays on a link when the pod goes on, and does not go back to the row that had it before."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    node.note("UpdatePodSandboxResources", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.focus("#pod-request-1")
    await becomes(page, "location.hash.endsWith('row=1')")
    await page.focus(".request-bar[data-request='2']")
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-3")
    assert await page.evaluate("document.activeElement.dataset.request") == "2"
    await page.locator(".pod-requests a", has_text="unfold").nth(1).focus()
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-4")
    assert await page.evaluate("document.activeElement.ariaLabel") == "Unfold UpdatePodSandboxResources, request 2"
    await page.click(".top", position={"x": 5, "y": 5})
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-5")
    assert await page.evaluate("document.activeElement === document.body")


async def test_a_pod_by_the_beginning_of_its_id(node: Node, page: Page):
    """Its timeline goes on, as with the whole id."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD[:12]}")
    await page.wait_for_selector("#pod-request-1")
    await asyncio.sleep(1)  # it is asked for once more when the live events begin
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-2", timeout=5000)


async def test_the_grid_of_a_timeline_without_cuts(node: Node, page: Page):
    """Its lines begin right below the scale, and go through the first lane, too."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}?scale=1")
    await page.wait_for_selector("#pod-request-1")
    gap = await page.evaluate(
        """() => { const box = (what) => document.querySelector(what).getBoundingClientRect();
        return box(".lanes .ground").top - box(".lanes .axis-head").bottom; }"""
    )
    assert abs(gap) < 2


async def test_a_price_with_an_unknown_part(node: Node, page: Page):
    """The table of a pod marks it as the list of requests does."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, "#/requests")
    await page.locator("#rows .when", has_text="price ≥").wait_for()
    await opened(page, node, f"#/pod/{POD}")
    price = page.locator(".pod-requests td[data-head=price]")
    assert (await price.inner_text()).startswith("≥")


async def test_what_is_read_aloud(node: Node, page: Page):
    """What changes with every hop is not, nor is what has not changed; the answer to a click is."""
    await opened(page, node, "#/architecture")
    node.note("StopContainer")
    await becomes(page, "document.querySelector('.now').textContent === 'StopContainer answered.'")
    assert await page.locator(".now").get_attribute("aria-live") == "off"
    await page.click("#replay")
    await becomes(page, "document.querySelector('.now').textContent.includes('Start a pod')")
    assert await page.locator(".now").get_attribute("aria-live") == "polite"
    node.sandboxes.put(a_pod())
    await opened(page, node, "#/pods")
    await page.locator("#pods [role=status]", has_text="1 of 1 pods").wait_for()
    await page.evaluate(
        """() => { window.said = 0; new MutationObserver((all) => { window.said += all.length; })
        .observe(document.querySelector("#pods [role=status]"), { childList: true, subtree: true }); }"""
    )
    node.note("StopPodSandbox", sandbox_id=POD)
    await becomes(page, "document.querySelector('#pods td:nth-child(4)').textContent === '1'")
    assert await page.evaluate("window.said") == 0


async def test_the_list_is_named_after_its_order(node: Node, page: Page):
    """Slowest first is not newest first."""
    await opened(page, node, "#/requests?slowest=1")
    label = page.locator("#rows")
    assert "slowest first" in (await label.get_attribute("aria-label") or "")
    await page.uncheck("#slowest")
    await becomes(page, "document.getElementById('rows').ariaLabel.includes('newest first')")


async def test_a_toggle_of_a_timeline_by_keyboard(node: Node, page: Page):
    """It is a button, so Space presses it, and the page does not scroll."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.focus("#pod-scale")
    await page.keyboard.press("Space")
    await becomes(page, "document.querySelector('#pod-scale[aria-pressed=true]') === document.activeElement")
    assert page.url.endswith("scale=1")


async def test_what_was_opened_below_a_timeline_stays_open(node: Node, page: Page):
    """However often the pod goes on."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.click("#pod .take summary")
    node.note("StopPodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#pod-request-2")
    assert await page.evaluate("document.querySelector('#pod .take').open")


async def test_the_focus_on_a_way_out_of_an_empty_list(node: Node, page: Page):
    """Each request that comes in draws the list, although the filters hide it."""
    await opened(page, node, "#/requests?search=nothing-has-this")
    await page.get_by_text("Clear the search").focus()
    await page.evaluate("document.getElementById('empty').firstChild.dataset.old = ''")
    node.note("StopContainer")
    await becomes(page, "document.querySelector('#empty [data-old]') === null")
    assert await page.evaluate(FOCUSED) == "Clear the search"
