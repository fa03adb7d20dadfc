"""Draw the plots of the report, each by a pure function from numbers to SVG text."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.report import svg
from cri_shim.bench.report.numbers import number, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cri_shim.bench.verdicts.estimate import Distribution, Interval

_LEFT = 290.0
_RIGHT = svg.WIDTH - 20
_ROW = 22.0
_BAR = 14.0


def forest(rows: Sequence[tuple[str, Interval, bool]], than: str) -> str:
    """Draw ratios with their intervals around a line at 1, which is ``than``; a flag marks those with a verdict."""
    low = min([0.5, *(row[1].low for row in rows)]) * 0.9
    high = max([2.0, *(row[1].high for row in rows)]) * 1.1
    across = svg.logarithmic(max(low, 0.005), min(high, 200.0), _LEFT, _RIGHT)
    bottom = 24 + _ROW * len(rows)
    shapes = [svg.text(across(1) - 6, 12, "← takes less", anchor="end", kind="quiet")]
    shapes.append(svg.text(across(1) + 6, 12, "takes more →", kind="quiet"))
    shapes += _log_axis(across, max(low, 0.005), min(high, 200.0), bottom, f"ratio to {than} (logarithmic)")
    shapes.append(svg.line(across(1), 18, across(1), bottom, "one"))
    for place, (label, interval, differs) in enumerate(rows):
        y = 24 + _ROW * place + _ROW / 2
        colour = "5" if not differs else "3" if interval.high < 1 else "4"
        shapes.append(svg.text(_LEFT - 10, y + 4, label, anchor="end"))
        shapes.append(svg.line(across(interval.low), y, across(interval.high), y, f"l{colour} whisker"))
        shapes.append(svg.dot(across(interval.estimate), y, 4, f"f{colour}", f"{label}: {ratio(interval)}"))
    return svg.plot(bottom + 36, shapes, f"Ratios to {than}, with intervals")


def boxes(rows: Sequence[tuple[str, Mapping[str, Distribution]]], unit: str) -> str:
    """Draw for each row and side a box over the quartiles, the median, whiskers from p5 to p95, and a dot at p99."""
    sides = list(dict.fromkeys(side for _, of in rows for side in of))
    all_of = [each for _, of in rows for each in of.values()]
    low, high = min(each.p5 for each in all_of) * 0.8, max(each.p99 for each in all_of) * 1.15
    low = max(low, high / 1e5, 1e-3)
    high = max(high, 2 * low)  # a client's clock may be so coarse that all calls took 0
    across = svg.logarithmic(low, high, _LEFT, _RIGHT)
    tall = 8 + 13.0 * len(sides)
    bottom = 26 + tall * len(rows)
    shapes = svg.legend(_numbered(sides), 12, _LEFT) + _log_axis(across, low, high, bottom, f"{unit} (logarithmic)")
    for place, (label, of) in enumerate(rows):
        top = 26 + tall * place
        shapes.append(svg.text(_LEFT - 10, top + tall / 2 + 4, label, anchor="end"))
        for index, side in enumerate(sides):
            if side not in of:
                continue
            each = of[side]
            y = top + 10.5 + 13.0 * index
            summary = f"{label}, {side}: median {number(each.p50)} {unit}, p95 {number(each.p95)}, n {each.count}"
            shapes.append(svg.line(across(each.p5), y, across(each.p95), y, f"l{index} whisker"))
            shapes.append(
                svg.rect(across(each.p25), y - 5, across(each.p75) - across(each.p25), 10, f"f{index} box", summary)
            )
            shapes.append(svg.rect(across(each.p50) - 1.5, y - 5, 3, 10, f"f{index}", summary))
            shapes.append(svg.dot(across(each.p99), y, 2, f"f{index}", f"p99 {number(each.p99)} {unit}"))
    return svg.plot(bottom + 36, shapes, "Distributions: box p25 to p75, whiskers p5 to p95, dot p99")


def curves(series: Mapping[str, Sequence[Sequence[float]]], unit: str, what: str) -> str:
    """Draw when how many of a batch were done: a thin line for each round, and each side's median round thick."""
    rounds = [one for many in series.values() for one in many]
    high, count = max(max(one) for one in rounds), max(len(one) for one in rounds)
    across, up = svg.linear(0, high, 60, _RIGHT), svg.linear(0, count, 280, 24)
    shapes = svg.legend(_numbered(series), 12, 60)
    for tick in svg.round_ticks(count):
        shapes += [
            svg.line(60, up(tick), _RIGHT, up(tick), "axis"),
            svg.text(52, up(tick) + 4, f"{tick:g}", anchor="end"),
        ]
    for tick in svg.round_ticks(high, 8):
        shapes.append(svg.text(across(tick), 298, f"{tick:g}", anchor="middle", kind="quiet"))
    shapes.append(svg.text(_RIGHT, 314, f"{unit} since all were asked for", anchor="end", kind="quiet"))
    for index, many in enumerate(series.values()):
        middle = sorted(many, key=max)[len(many) // 2]
        for one in many:
            steps = [(across(0), up(0)), *((across(at), up(done)) for done, at in enumerate(sorted(one), 1))]
            shapes.append(svg.path(steps, f"line l{index}{'' if one is middle else ' thin'}"))
    return svg.plot(322, shapes, what)


def stacks(bars: Sequence[tuple[str, Mapping[str, float]]], parts: Mapping[str, int], unit: str, what: str) -> str:
    """Draw horizontal bars made of parts, each with the number of its colour; a bar need not have all of them."""
    high = max([fsum(of.values()) for _, of in bars] + [1e-9])
    across = svg.linear(0, high, _LEFT, _RIGHT - 50)
    bottom = 26 + (_BAR + 8) * len(bars)
    shapes = svg.legend(parts, 12, 20)
    for tick in svg.round_ticks(high):
        shapes.append(svg.line(across(tick), 22, across(tick), bottom, "axis"))
        shapes.append(svg.text(across(tick), bottom + 16, f"{tick:g}", anchor="middle", kind="quiet"))
    shapes.append(svg.text(_RIGHT, bottom + 30, unit, anchor="end", kind="quiet"))
    for place, (label, of) in enumerate(bars):
        y, x = 26 + (_BAR + 8) * place, _LEFT
        shapes.append(svg.text(_LEFT - 10, y + _BAR - 3, label, anchor="end"))
        for part, colour in parts.items():
            if value := of.get(part, 0.0):
                width = across(value) - across(0)
                shapes.append(svg.rect(x, y, width, _BAR, f"f{colour}", f"{label}: {part} {number(value)} {unit}"))
                x += width
        shapes.append(svg.text(x + 6, y + _BAR - 3, number(fsum(of.values())), kind="quiet"))
    return svg.plot(bottom + 36, shapes, what)


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: colour for colour, name in enumerate(names)}


def _log_axis(across: svg.Scale, low: float, high: float, bottom: float, title: str) -> list[str]:
    shapes = []
    for tick in svg.log_ticks(low, high):
        shapes.append(svg.line(across(tick), 20, across(tick), bottom, "axis"))
        shapes.append(svg.text(across(tick), bottom + 16, f"{tick:g}", anchor="middle", kind="quiet"))
    return [*shapes, svg.text(_RIGHT, bottom + 30, title, anchor="end", kind="quiet")]
