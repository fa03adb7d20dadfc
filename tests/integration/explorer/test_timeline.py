"""How the page lays out a pod's timeline: whatever the node's clock does, and however many pieces there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.explorer.test_pods import open_page

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.integration.explorer.conftest import Explorer


async def test_a_clock_that_was_set_back(explorer: Explorer, page: Page):
    """The distance of requests is that of the daemon's own clock, and the life of a container begins in its start."""
    await open_page(explorer, page, "pods", "#pods td, #pods [data-state]")
    lanes = await page.evaluate(
        """() => import("/page/pod_lanes.js").then(({ lanesOf, originOf, timed }) => {
        const one = (method, started_at, clock_ms, container) => ({ id: clock_ms, method, started_at, clock_ms,
            container, subject: {}, code: "OK", running: false, bill: { wall_ms: 100 } });
        const app = { id: "c", name: "app", state: "running", created_at: 6400.5, started_at: 6401.05,
            finished_at: null };
        const pod = { id: "p", created_at: 10000.05, first_at: 10000, removed_at: null, containers: [app],
            requests: [one("RunPodSandbox", 10000, 5000), one("CreateContainer", 6400.5, 5500, app),
                one("StartContainer", 6401, 6000, app)] };
        const origin = originOf(pod);
        return lanesOf(pod, origin, timed(pod, origin, { reads: false }))
            .map(({ requests, life }) => [requests.map(({ start }) => start), Math.round(life.start)]); })"""
    )
    assert lanes == [[[0], 50], [[500, 1000], 1050]]


async def test_many_pieces_are_laid_out_quickly(explorer: Explorer, page: Page):
    """A pull has thousands of hops, and a pod thousands of requests: each is compared with a few others only."""
    await open_page(explorer, page, "pods", "#pods td, #pods [data-state]")
    rows, compared = await page.evaluate(
        """() => import("/page/pod_axis.js").then(({ axisOf, stacked }) => {
        let compared = 0;
        const count = 3000;
        const pieces = Array.from({ length: count },
            (_, at) => ({ start: at, get end() { compared += 1; return 1e6; } }));
        const rows = stacked(pieces).length;
        const busy = pieces.map((_, at) => ({ 0: at * 1000, get 1() { compared += 1; return at * 1000 + 10; },
            *[Symbol.iterator]() { yield this[0]; yield this[1]; } }));
        axisOf(0, count * 1000, busy.map((one) => one[0]), busy);
        return [rows, compared / count]; })"""
    )
    assert rows == 3000
    assert compared < 100
