"""Answers that come late, or never: the page shows what is looked at now, and says nothing that it does not know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fakes.objects import POD, a_pod
from tests.integration.explorer.local_node import opened
from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page, Route

    from tests.integration.explorer.conftest import Complaints
    from tests.integration.explorer.local_node import LocalNode

OTHER = "c3" * 32


def held(until: asyncio.Event) -> Callable[[Route], Awaitable[None]]:
    """A route whose answers come only when the test says so."""

    async def later(route: Route) -> None:
        await until.wait()
        await route.continue_()

    return later


async def cut(route: Route) -> None:
    """A connection that breaks."""
    await route.abort()


async def test_what_is_drawn_again_and_again(node: LocalNode, page: Page):
    """It is done once at a time, and changes that never stop do not put it off for ever."""
    await opened(page, node)
    most, done = await page.evaluate(
        """async () => {
            const { refresher } = await import("/page/refresh.js");
            const pause = (ms) => new Promise((later) => setTimeout(later, ms));
            let [now, most, done] = [0, 0, 0];
            const soon = refresher(async () => {
                most = Math.max(most, (now += 1));
                await pause(50);
                now -= 1;
                done += 1;
            });
            for (let number = 0; number < 100; number += 1) { soon(20); await pause(5); }
            return [most, done];
        }"""
    )
    assert most == 1
    assert done >= 2


async def test_the_change_after_the_last_drawing(node: LocalNode, page: Page):
    """What is asked for while something is under way is done afterwards, also if that has failed."""
    await opened(page, node)
    drawn = await page.evaluate(
        """async () => {
            const { refresher } = await import("/page/refresh.js");
            let drawn = 0;
            const soon = refresher(async () => {
                drawn += 1;
                if (drawn === 1) { soon(5); await Promise.resolve(); }
            });
            soon(0);
            await new Promise((later) => setTimeout(later, 300));
            return drawn;
        }"""
    )
    assert drawn == 2


async def test_the_end_of_a_request_that_was_opened_after_another(node: LocalNode, page: Page):
    """An event about the one before does not hide the end of this one, which would run for ever."""
    before, after = node.ledger.open("StopContainer"), node.ledger.open("ExecSync")
    await opened(page, node, f"#/request/{before.id}")
    await page.get_by_text("It still runs").wait_for()
    node.ledger.close(before)
    await asyncio.sleep(0.1)  # the event has arrived, and the drawing after it has not begun
    await page.evaluate(f"location.hash = '#/request/{after.id}'")
    await page.locator("#request .number", has_text=f"request {after.id}").wait_for()
    node.ledger.close(after)
    await page.wait_for_selector("#request .outcome.ok")


async def test_a_request_that_is_shown_while_the_daemon_is_away(node: LocalNode, page: Page, complaints: Complaints):
    """It stays, and goes on when the daemon answers again."""
    request = node.ledger.open("StopContainer")
    await opened(page, node, f"#/request/{request.id}")
    await page.get_by_text("It still runs").wait_for()
    await page.route("**/api/requests/*", cut)
    failed = asyncio.Event()
    page.on("requestfailed", lambda _: failed.set())
    node.ledger.close(request)
    await failed.wait()
    await asyncio.sleep(2)  # until the last attempt has failed
    assert await page.locator("#request .number").text_content() == f"request {request.id}"
    await page.unroute("**/api/requests/*", cut)
    await page.wait_for_selector("#request .outcome.ok")
    complaints.forgive("ERR_FAILED")


async def test_a_pod_whose_answer_comes_when_another_is_shown(node: LocalNode, page: Page):
    """It does not take the place of the other one."""
    node.sandboxes.put(a_pod())
    node.sandboxes.put(a_pod(OTHER, "other"))
    for id_ in (POD, OTHER):
        node.note("StopPodSandbox", sandbox_id=id_)
    arrive = asyncio.Event()
    await page.route(f"**/api/pods/{POD}*", held(arrive))
    await opened(page, node, f"#/pod/{POD}")
    await page.evaluate(f"location.hash = '#/pod/{OTHER}'")
    await page.locator("#pod h2", has_text="shop/other").wait_for()
    await asyncio.sleep(0.6)  # the other one has been asked for once more, as after each connect
    async with page.expect_response(f"**/api/pods/{POD}*"):
        arrive.set()
    await asyncio.sleep(0.2)
    await page.click("#pod-scale")
    await becomes(page, "document.querySelector('#pod-scale[aria-pressed=true]') !== null")
    assert await page.locator("#pod h2").text_content() == "shop/other"


async def test_a_pod_that_went_on_while_another_view_was_shown(node: LocalNode, page: Page):
    """The reader who comes back sees what has happened since."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.wait_for_selector("#pod-request-1")
    await asyncio.sleep(0.6)  # it has been asked for once more, as after each connect
    await page.evaluate("location.hash = '#/requests'")
    node.note("RemovePodSandbox", sandbox_id=POD)
    await page.wait_for_selector("#rows [data-id='2'] .ok")
    await page.evaluate(f"location.hash = '#/pod/{POD}'")
    await page.wait_for_selector("#pod-request-2")


async def test_a_list_that_is_not_known_to_be_empty(node: LocalNode, page: Page):
    """While other filters are asked for, the page does not say that nothing matches."""
    node.note("ExecSync")
    node.note("StopContainer")
    await opened(page, node, "#/requests?method=StopContainer")
    await page.wait_for_selector("#rows li")
    arrive = asyncio.Event()
    await page.route("**/api/requests?*", held(arrive))
    await page.select_option("#method", "ExecSync")
    await becomes(page, "document.querySelectorAll('#rows li').length === 0")
    assert await page.locator("#empty").text_content() == ""
    arrive.set()
    await page.wait_for_selector("#rows li")


async def test_a_row_that_comes_while_its_reader_types(node: LocalNode, page: Page):
    """The row in the address gets the focus, but not that of a field that is written in by now."""
    node.note("StopContainer")
    arrive = asyncio.Event()
    await page.route("**/api/requests?*", held(arrive))
    await opened(page, node, "#/requests?row=1")
    await page.focus("#search")
    arrive.set()
    await page.wait_for_selector("#rows li")
    assert await page.evaluate("document.activeElement.id") == "search"
    await page.unroute("**/api/requests?*")
    await opened(page, node)
    await opened(page, node, "#/requests?row=1")
    await becomes(page, "document.activeElement.closest('li')?.dataset.id === '1'")


async def test_a_daemon_that_does_not_say_what_it_offers(node: LocalNode, page: Page, complaints: Complaints):
    """It is not one of an earlier release for that."""
    node.sandboxes.put(a_pod())
    await opened(page, node)
    await page.evaluate("import('/page/api.js').then(({ follow }) => follow())")  # forgets what was offered
    await page.route("**/api/node*", cut)
    await becomes(page, "document.getElementById('live').dataset.state === 'open'")
    await asyncio.sleep(0.3)
    await page.evaluate("location.hash = '#/pods'")
    await page.wait_for_selector("#pods [data-state=away]")
    assert "earlier release" not in (await page.locator("#pods").text_content() or "")
    await page.unroute("**/api/node*", cut)
    await page.locator("#pods a", has_text="shop/web").wait_for()
    complaints.forgive("ERR_FAILED")


async def test_a_replay_that_was_asked_for_before_another_view(node: LocalNode, page: Page):
    """It does not begin in a view that the reader has left."""
    node.note("RunPodSandbox")
    await opened(page, node)
    arrive = asyncio.Event()
    await page.route("**/api/methods*", held(arrive))
    await page.evaluate("location.hash = '#/architecture/1'")
    await page.wait_for_selector("#replay")
    await page.evaluate("location.hash = '#/architecture'")
    arrive.set()
    await asyncio.sleep(0.5)
    assert await page.locator("#stop").is_hidden()
    await page.evaluate("location.hash = '#/architecture/1'")
    await page.wait_for_selector("#stop:not([hidden])")
    await page.click("#stop")


async def test_where_a_figure_comes_from_is_not_shown_over_another_view(node: LocalNode, page: Page):
    """The box closes when its view is left by the keyboard, too."""
    node.note("StopContainer")
    node.note("StopContainer")
    await opened(page, node, "#/request/1")
    await page.locator("#request .mark").first.click()
    assert await page.locator("#source").is_visible()
    await page.keyboard.press("k")
    await page.locator("#request .number", has_text="request 2").wait_for()
    assert await page.locator("#source").is_hidden()
