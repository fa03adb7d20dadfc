"""The report of ``cri-shim compare`` as a page, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.report import document
from cri_shim.bench.report.html import to_html
from tests.integration.explorer.appearance import DESK, PHONE
from tests.unit.bench.made_up import run

if TYPE_CHECKING:
    from playwright.async_api import Page


@pytest.mark.parametrize("size", [PHONE, DESK])
async def test_plots_can_be_read(page: Page, size: tuple[int, int]):
    """On a phone they keep the size of their words and are scrolled; the page itself is not scrolled sideways."""
    width, height = size
    await page.set_viewport_size({"width": width, "height": height})
    await page.set_content(to_html(document.document(run(0.8, 1.3))))
    heights: list[float] = await page.eval_on_selector_all(
        "svg.plot text", "all => all.map((one) => one.getBoundingClientRect().height)"
    )
    assert heights
    assert min(heights) >= 12
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
