"""How the page writes figures: rounded with their unit, and marked as far as they are not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from containerd_client.hops import Hop
from cri_shim.ledger.transport.transport_estimate import Charge
from tests.fakes.objects import POD, a_pod
from tests.integration.explorer.local_node import opened
from tests.integration.explorer.test_page import becomes

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.integration.explorer.local_node import LocalNode

WRITTEN = {
    "brief": [
        (0, "0.000 ms"), (0.9994, "0.999 ms"), (0.9996, "1.00 ms"), (9.996, "10.0 ms"), (99.96, "100 ms"),
        (999.4, "999 ms"), (999.7, "1.00 s"), (9996, "10.0 s"), (59_940, "59.9 s"),
    ],
    "bytes": [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
        (999_950_000, "1.0 GB"), (5e12, "5000.0 GB"),
    ],
}  # fmt: skip
PRICE = "#pods td[data-head=price]"


@pytest.mark.parametrize("name", WRITTEN)
async def test_what_is_rounded_up_has_the_next_unit(node: LocalNode, page: Page, name: str):
    """And three digits."""
    await opened(page, node)
    ask = f"(values) => import('/page/format.js').then(({{ {name} }}) => values.map({name}))"
    assert await page.evaluate(ask, [value for value, _ in WRITTEN[name]]) == [text for _, text in WRITTEN[name]]


def bill(split: str, front: str) -> dict[str, str]:
    """How the price of a request is known."""
    return {"split": split, "front_known": front}


@pytest.mark.parametrize(
    ("requests", "known"),
    [
        ([("spans", "measured", 2), ("spans", "measured", 1)], ("spans", "measured", 3)),
        ([("spans", "measured", 2), ("estimate", "estimate", 1)], ("mixed", "mixed", 3)),
        ([("estimate", "estimate", 2), ("none", "none", 1)], ("none", "none", 3)),
        ([("estimate", "estimate", 2), ("none", "estimate", 0)], ("estimate", "estimate", 2)),
        ([], ("none", "none", 0)),
    ],
)
async def test_how_a_sum_is_known(node: LocalNode, page: Page, requests: list[Any], known: tuple[str, str, int]):
    """A part that is unknown of one request is unknown of their sum; a request without hops has no transport."""
    await opened(page, node)
    all_ = [{"running": False, "hop_count": hops, "bill": bill(split, front)} for split, front, hops in requests]
    running = {"running": True, "hop_count": 5, "bill": bill("none", "none")}
    said = await page.evaluate("(all) => import('/page/bill.js').then(({ summed }) => summed(all))", [*all_, running])
    assert (said["split"], said["front_known"], said["hop_count"]) == known


async def test_the_mark_before_the_price_of_a_pod(node: LocalNode, page: Page):
    """It is that of its requests: an unknown part makes it a lower bound; before one has ended, there is none."""
    node.sandboxes.put(a_pod())
    running = node.ledger.open("RunPodSandbox")
    running.subject = {"sandbox_id": POD}
    await opened(page, node, "#/pods")
    await becomes(page, f"document.querySelector('{PRICE}')?.textContent === '–'")
    assert await page.locator("#pods td[data-head=requests]").text_content() == "1, 1 running"
    node.ledger.close(running)
    await becomes(page, f"document.querySelector('{PRICE}').textContent.startsWith('≥')")
    await page.evaluate(f"location.hash = '#/pod/{POD}'")
    await page.locator("#pod .priced", has_text="1 request took").wait_for()
    said = await page.locator("#pod .priced").text_content() or ""
    assert "with 0 hops" in said
    assert ", without the front hop" in said


async def test_an_estimate_in_the_price_of_a_pod(node: LocalNode, page: Page):
    """The front hop is known, so nothing is missing."""
    node.sandboxes.put(a_pod())
    request = node.ledger.open("StopPodSandbox")
    request.subject = {"sandbox_id": POD}
    request.hops.append(Hop("a.v1.Tasks/Kill", request.started, 0.001, 1, 1, 1, "OK"))
    request.charges.append(Charge(0.0001, 0.00005))
    request.front_known = "estimate"
    node.ledger.close(request)
    await opened(page, node, "#/pods")
    await becomes(page, f"document.querySelector('{PRICE}')?.textContent.startsWith('~')")
    await opened(page, node, "#/requests")
    assert "1 hop ·" in (await page.locator("#rows .when").first.text_content() or "")
