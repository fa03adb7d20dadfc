"""Draw a few shapes as SVG text, with the scales that map numbers to places. Pure functions; colours are classes.

Classes instead of colours let a plot follow the page it stands in, light or dark; a plot in a file of its own contains
the same style sheet (:func:`alone`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

Scale = Callable[[float], float]

WIDTH = 760.0

STYLE = """\
svg.plot{font:12px system-ui,sans-serif;max-width:100%;height:auto;display:block}
svg.plot text{fill:var(--ink)}svg.plot .quiet{fill:var(--quiet)}
svg.plot .axis{stroke:var(--rule);stroke-width:1}svg.plot .one{stroke:var(--ink);stroke-dasharray:3 3}
svg.plot .line{fill:none;stroke-width:2}svg.plot .thin{stroke-width:1;opacity:.35}
svg.plot .box{opacity:.45}svg.plot .whisker{stroke-width:1.5}
""" + "".join(f"svg.plot .f{n}{{fill:var(--c{n})}}svg.plot .l{n}{{stroke:var(--c{n})}}\n" for n in range(6))
_NAMES = ("ink", "quiet", "rule", "c0", "c1", "c2", "c3", "c4", "c5")
_LIGHT = ("#1c2024", "#697077", "#d5d9de", "#3b6fb6", "#d9730d", "#8e6bbf", "#2f9e8f", "#b0577e", "#b9c0c8")
_DARK = ("#e6e8ea", "#9aa2ab", "#3a4047", "#6f9fe0", "#f0983e", "#b598e0", "#55c2b2", "#d983a8", "#5a626b")
LIGHT = ";".join(f"--{name}:{colour}" for name, colour in zip(_NAMES, _LIGHT, strict=True))
DARK = ";".join(f"--{name}:{colour}" for name, colour in zip(_NAMES, _DARK, strict=True))


def plot(height: float, shapes: list[str], label: str) -> str:
    """Return a whole picture; ``label`` describes it for a reader who cannot see it."""
    head = f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}"'
    return f'{head} role="img" aria-label={quoteattr(label)}>\n' + "\n".join(shapes) + "\n</svg>\n"


def alone(picture: str) -> str:
    """Return a picture as a file of its own, with its style sheet, a background and both sets of colours."""
    style = (
        f"<style>{STYLE}svg.plot{{{LIGHT};background:#fff}}"
        f"@media(prefers-color-scheme:dark){{svg.plot{{{DARK};background:#16181b}}}}</style>"
    )
    head, end, rest = picture.partition(">\n")
    return f"{head}{end}{style}\n{rest}"


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    """Return words; ``anchor`` is start, middle or end."""
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{of_kind}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:  # noqa: PLR0917 - as in SVG
    """Return a rectangle, with a title that appears when the pointer is on it."""
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" class="{kind}"'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def dot(x: float, y: float, radius: float, kind: str, title: str = "") -> str:
    """Return a filled circle."""
    shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}"'
    return f"{shape}><title>{escape(title)}</title></circle>" if title else f"{shape}/>"


def path(points: list[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{kind}"/>'


def legend(names: Mapping[str, int], y: float, x: float = 0.0) -> list[str]:
    """Return a square of each name's colour with the name, in a row."""
    shapes = []
    for name, colour in names.items():
        shapes += [rect(x, y - 9, 10, 10, f"f{colour}"), text(x + 14, y, name)]
        x += 30 + 6.6 * len(name)
    return shapes


def linear(low: float, high: float, left: float, right: float) -> Scale:
    """Return a scale from numbers to places."""
    span = (high - low) or 1.0
    return lambda value: left + (value - low) / span * (right - left)


def logarithmic(low: float, high: float, left: float, right: float) -> Scale:
    """Return the same for ratios and for times that differ by orders of magnitude; values must be positive."""
    across = linear(math.log(low), math.log(high) if high > low else math.log(low) + 1, left, right)
    return lambda value: across(math.log(max(value, 1e-9)))


def round_ticks(high: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 to ``high`` or a little less."""
    if high <= 0:
        return [0.0]
    raw = high / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [step * number for number in range(int(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two numbers; only the powers if there are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5) if low <= factor * 10.0**power <= high]
    powers_only = [10.0**power for power in powers if low <= 10.0**power <= high]
    return ticks if len(ticks) <= 9 else powers_only
