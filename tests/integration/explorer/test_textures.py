"""The parts of bars can be distinguished without colours: in grey, with high contrast, and in colours of the system."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from lab.screenshots import png
from tests.integration.explorer.appearance import DESK, open_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import Page

    from tests.integration.explorer.conftest import Explorer

BILL = ("front", "transport", "work", "queue", "world")
PIECES = ("hop", "helper", "stage", "queue", "wait")
LEAST = 12
"""Of 255 steps of grey, in the mean over the pixels of two textures that lie on each other as well as they can."""
SURROUNDINGS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "more contrast, light": {"color_scheme": "light", "contrast": "more"},
    "more contrast, dark": {"color_scheme": "dark", "contrast": "more"},
    "forced colours, light": {"color_scheme": "light", "forced_colors": "active"},
    "forced colours, dark": {"color_scheme": "dark", "forced_colors": "active"},
    "paper": {"color_scheme": "light", "media": "print"},
}


def grey(data: bytes) -> list[list[float]]:
    """Return the rows of a picture as grey values from 0 to 255 (by the weights of ITU-R BT.709)."""
    return [
        [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in zip(*[iter(row)] * 3, strict=True)]
        for row in png.read(data).rows
    ]


def difference(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], reach: int = 8) -> float:
    """Return how much two pictures differ in the mean, where the other is moved so that they differ least."""
    width, height = len(one[0]) - reach, len(one) - reach
    assert min(width, height) > 0, "a picture is too small to be moved"
    return min(
        sum(abs(one[y][x] - other[y + down][x + right]) for y in range(height) for x in range(width))
        for down in range(reach)
        for right in range(reach)
    ) / (width * height)


@pytest.mark.parametrize("where", SURROUNDINGS)
async def test_each_part_differs_from_each_other_in_grey(explorer: Explorer, page: Page, where: str):
    """Pairs of one picture are compared as pixels, and textures are moved over each other to be sure."""
    newest = await explorer.newest("RunPodSandbox")
    await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    await page.emulate_media(**SURROUNDINGS[where])
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    await open_view(page, explorer.url, f"#/request/{newest['id']}")
    # The page's own keys, larger, so that there is enough of each texture to compare.
    await page.evaluate(
        """(kinds) => { const list = document.createElement("ul"); list.className = "legend"; list.id = "keys-in-grey";
        for (const kind of kinds) { const key = document.createElement("i"); key.className = kind;
        key.style.cssText = "display: block; width: 48px; height: 28px; border-radius: 0"; list.append(key); }
        document.querySelector("#request").prepend(list); }""",
        sorted({*BILL, *PIECES}),
    )
    shown = {kind: grey(await page.locator(f"#keys-in-grey .{kind}").screenshot()) for kind in sorted({*BILL, *PIECES})}
    for group in (BILL, PIECES):
        for one, other in combinations(group, 2):
            assert difference(shown[one], shown[other]) > LEAST, f"{one} and {other}, {where}"


async def test_bars_and_legends_have_the_same_textures(explorer: Explorer, page: Page):
    """What a legend shows is what the bars of the list, of the bill and of the totals are made of."""
    newest = await explorer.newest("RunPodSandbox")
    await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    for address in (f"#/request/{newest['id']}", "#/methods"):
        await open_view(page, explorer.url, address)
        textures = await page.evaluate(
            """() => { const of = (selector) => Object.fromEntries([...document.querySelectorAll(selector)]
            .filter((one) => one.checkVisibility()).map((one) => {
            const { backgroundImage, backgroundColor } = getComputedStyle(one);
            return [one.className, `${backgroundImage} ${backgroundColor}`]; }));
            return [of(".bar i"), of(".legend i")]; }"""
        )
        bars, legend = textures
        assert bars, address
        assert bars == {kind: legend.get(kind) for kind in bars}, address
