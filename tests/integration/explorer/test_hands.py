"""A page that is used without a mouse, or without seeing it, while it draws itself anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.fakes.objects import POD, a_pod
from tests.integration.explorer.local_node import opened
from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.integration.explorer.local_node import LocalNode

FOCUSED = "document.activeElement.textContent"


async def test_the_link_that_skips_the_head(node: LocalNode, page: Page):
    """It leads to the content, and what the reader has chosen stays in the address."""
    node.note("StopContainer")
    await opened(page, node, "#/requests?method=StopContainer")
    await page.wait_for_selector("#rows li")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await becomes(page, "document.activeElement.id === 'main'")
    assert page.url.endswith("#/requests?method=StopContainer")


async def test_the_focus_stays_where_it_is(node: LocalNode, page: Page):
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


async def test_the_focus_in_a_timeline(node: LocalNode, page: Page):
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


async def test_what_is_read_aloud(node: LocalNode, page: Page):
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


async def test_the_list_is_named_after_its_order(node: LocalNode, page: Page):
    """Slowest first is not newest first."""
    await opened(page, node, "#/requests?slowest=1")
    label = page.locator("#rows")
    assert "slowest first" in (await label.get_attribute("aria-label") or "")
    await page.uncheck("#slowest")
    await becomes(page, "document.getElementById('rows').ariaLabel.includes('newest first')")


async def test_a_toggle_of_a_timeline_by_keyboard(node: LocalNode, page: Page):
    """It is a button, so Space presses it, and the page does not scroll."""
    node.sandboxes.put(a_pod())
    node.note("StopPodSandbox", sandbox_id=POD)
    await opened(page, node, f"#/pod/{POD}")
    await page.focus("#pod-scale")
    await page.keyboard.press("Space")
    await becomes(page, "document.querySelector('#pod-scale[aria-pressed=true]') === document.activeElement")
    assert page.url.endswith("scale=1")


async def test_the_focus_on_a_way_out_of_an_empty_list(node: LocalNode, page: Page):
    """Each request that comes in draws the list, although the filters hide it."""
    await opened(page, node, "#/requests?search=nothing-has-this")
    await page.get_by_text("Clear the search").focus()
    await page.evaluate("document.getElementById('empty').firstChild.dataset.old = ''")
    node.note("StopContainer")
    await becomes(page, "document.querySelector('#empty [data-old]') === null")
    assert await page.evaluate(FOCUSED) == "Clear the search"


@pytest.mark.parametrize(("view", "field"), [("pods", "#pod-search"), ("requests", "#search")])
async def test_who_types_and_goes_elsewhere_at_once(node: LocalNode, page: Page, view: str, field: str):
    """A search that waits for more letters does not call its reader back."""
    await opened(page, node, f"#/{view}")
    await page.evaluate(
        """(field) => { const input = document.querySelector(field);
        input.value = "web"; input.dispatchEvent(new Event("input")); location.hash = "#/methods"; }""",
        field,
    )
    await asyncio.sleep(0.6)
    assert page.url.endswith("#/methods")
    await page.go_back()
    await page.wait_for_selector(field)
    assert await page.input_value(field) == ""


async def test_a_source_is_read_aloud(node: LocalNode, page: Page):
    """The focus stays on the mark, so what a click on it shows is said; a second click says it again."""
    node.note("StopContainer")
    await opened(page, node, "#/request/1")
    for _ in range(2):
        await page.locator(".priced .mark").press("Enter")
        shown = await page.locator("#source:popover-open p").inner_text()
        said = page.locator("#main > [role=status]")
        assert shown in await said.inner_text()
        await page.keyboard.press("Escape")
        await becomes(page, "document.querySelector('#main > [role=status]').textContent === ''")


async def test_the_search_of_a_phone_keeps_what_was_chosen(node: LocalNode, page: Page):
    """The list is another page there, and its filters are in the address of the request."""
    node.note("StopContainer")
    await page.set_viewport_size({"width": 390, "height": 800})
    await opened(page, node, "#/request/1?method=StopContainer&search=ok")
    await page.locator("#request .number").wait_for()
    await page.keyboard.press("/")
    await becomes(page, "document.activeElement.id === 'search'")
    assert page.url.endswith("#/requests?method=StopContainer&search=ok")
    await page.set_viewport_size({"width": 1360, "height": 900})


@pytest.mark.parametrize("way", ["Escape", "/", "link"])
async def test_the_way_back_from_a_pod_keeps_what_was_chosen(node: LocalNode, page: Page, way: str):
    """The search and the filter of the list are those with which the reader left it."""
    node.sandboxes.put(a_pod())
    await opened(page, node, "#/pods?search=shop&removed=0")
    await page.click("#pods th a")
    await page.locator("#pod h2", has_text="shop/web").wait_for()
    if way == "link":
        await page.click("#pod .back-to a")
    else:
        await page.keyboard.press(way)
    await page.wait_for_selector("#pods table:not([hidden])")
    assert "#/pods?search=shop&removed=0" in page.url


async def test_a_pod_that_is_opened_without_its_list(node: LocalNode, page: Page):
    """Nothing was chosen, so nothing is filtered on the way back."""
    node.sandboxes.put(a_pod())
    await opened(page, node, f"#/pod/{POD}")
    await page.locator("#pod h2", has_text="shop/web").wait_for()
    await page.keyboard.press("Escape")
    await becomes(page, f"location.hash === '#/pods?row={POD}'")


async def test_a_pod_that_the_list_would_hide(node: LocalNode, page: Page):
    """It was reached by another way, and the way back leads to its row, which a search of before does not have."""
    node.sandboxes.put(a_pod())
    await opened(page, node, "#/pods?search=another")
    await page.wait_for_selector("#pods [data-state=filtered]")
    await page.evaluate(f"location.hash = '#/pod/{POD}'")
    await page.locator("#pod h2", has_text="shop/web").wait_for()
    await page.keyboard.press("Escape")
    await becomes(page, f"document.activeElement.closest('tr')?.dataset.pod === '{POD}'")
