"""The picture of the house as SVG: rooms as boxes on floors, and the stairs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from checks.floors import Plan, Room

WIDTH = 1280
_MARGIN = 24
_LABEL = 44
_BOX_HEIGHT = 46
_BOX_GAP = 14
_FLOOR_GAP = 44
_ROW_GAP = 12
_PADDING = 14
# Of the monospaced letters of a name, and of the smaller ones of the rooms in it.
_LETTER = 8.4
_SMALL_LETTER = 6.6

_STYLE = """
  .page { fill: #ffffff } .floor { fill: #f3f5f8 } .label, .inner { fill: #57606a } .name { fill: #1f2328 }
  .room { fill: #dbeafe; stroke: #3b76c4 } .file { fill: #ffffff; stroke: #8c959f; stroke-dasharray: 4 3 }
  .package { fill: #dcf5e3; stroke: #2f8a4c } .stair { stroke: #6e7781; stroke-opacity: .45; fill: none }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .floor { fill: #161b22 } .label, .inner { fill: #9198a1 } .name { fill: #f0f6fc }
    .room { fill: #17304f; stroke: #4f8fdf } .file { fill: #0d1117; stroke: #656c76 }
    .package { fill: #12361f; stroke: #3fa45f } .stair { stroke: #b1bac4; stroke-opacity: .4 }
  }
  text { font-family: ui-monospace, Menlo, Consolas, monospace; text-anchor: middle }
  .name { font-size: 14px } .inner { font-size: 11px } .label { font-size: 13px }
"""


def draw(plan: Plan) -> str:
    """Return the picture, the ground floor at the bottom."""
    order = _order(plan)
    boxes: list[str] = []
    bands: list[str] = []
    places: dict[str, tuple[float, float]] = {}
    y = float(_MARGIN)
    for number in reversed(range(len(plan.floors))):
        rows = _rows(order[number])
        height = len(rows) * _BOX_HEIGHT + (len(rows) - 1) * _ROW_GAP + 2 * _PADDING
        bands.append(
            f'<rect class="floor" x="{_MARGIN}" y="{y:g}" width="{WIDTH - 2 * _MARGIN}" height="{height:g}" rx="8"/>'
        )
        bands.append(f'<text class="label" x="{_MARGIN + _LABEL / 2:g}" y="{y + height / 2 + 5:g}">{number}</text>')
        for index, row in enumerate(rows):
            top = y + _PADDING + index * (_BOX_HEIGHT + _ROW_GAP)
            space = WIDTH - 2 * _MARGIN - _LABEL - _PADDING - sum(map(_width, row))
            # The rooms stand apart as far as there is space, so that the stairs do too.
            gap = space / len(row)
            left = _MARGIN + _LABEL + gap / 2
            for room in row:
                boxes.extend(_box(room, left, top))
                places[room.name] = (left + _width(room) / 2, top)
                left += _width(room) + gap
        y += height + _FLOOR_GAP
    bottom = y - _FLOOR_GAP + _MARGIN
    stairs = [_stair(*places[upper], *places[lower]) for upper, lower in plan.stairs]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:g}" role="img">',
            "<title>The rooms of cri-shim on their floors</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{bottom:g}"/>',
            *bands,
            *stairs,
            *boxes,
            "</svg>\n",
        ]
    )


def _width(room: Room) -> float:
    inner = ", ".join(room.inner)
    return round(max(len(room.name) * _LETTER, len(inner) * _SMALL_LETTER) + 2 * _PADDING, 1)


def _box(room: Room, left: float, top: float) -> list[str]:
    kind = "package" if room.name in ("containerd_client", "untrusted") else "room" if room.folder else "file"
    middle = left + _width(room) / 2
    baseline = top + (21 if room.inner else 28)
    lines = [
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{_width(room):g}" height="{_BOX_HEIGHT}" rx="6"/>',
        f'<text class="name" x="{middle:g}" y="{baseline:g}">{escape(room.name)}</text>',
    ]
    if room.inner:
        lines.append(f'<text class="inner" x="{middle:g}" y="{top + 37:g}">{escape(", ".join(room.inner))}</text>')
    return lines


def _stair(x: float, y: float, lower_x: float, lower_y: float) -> str:
    start, bend = y + _BOX_HEIGHT, (lower_y - y - _BOX_HEIGHT) / 2
    return (
        f'<path class="stair" d="M{x:.1f} {start:.1f}C{x:.1f} {start + bend:.1f} '
        f'{lower_x:.1f} {lower_y - bend:.1f} {lower_x:.1f} {lower_y:.1f}"/>'
    )


def _rows(rooms: list[Room]) -> list[list[Room]]:
    """Break a floor that is too wide into as few rows as possible, of about the same width."""
    room_for = WIDTH - 2 * _MARGIN - _LABEL - 2 * _PADDING
    total = sum(_width(room) + _BOX_GAP for room in rooms)
    count = int(total // room_for) + 1
    rows: list[list[Room]] = [[]]
    filled = 0.0
    for room in rooms:
        if filled and len(rows) < count and filled + _width(room) / 2 > total / count:
            rows.append([])
            filled = 0.0
        rows[-1].append(room)
        filled += _width(room) + _BOX_GAP
    return rows


def _order(plan: Plan) -> list[list[Room]]:
    """Order the rooms of each floor so that stairs cross little: each near the middle of those it is linked to."""
    order = [list(floor) for floor in plan.floors]
    links: dict[str, list[str]] = {}
    for upper, lower in plan.stairs:
        links.setdefault(upper, []).append(lower)
        links.setdefault(lower, []).append(upper)
    for _ in range(8):
        position = {room.name: (index + 1) / (len(floor) + 1) for floor in order for index, room in enumerate(floor)}
        for floor in order:
            middle = {
                room.name: sum(position[other] for other in links.get(room.name, [room.name]))
                / len(links.get(room.name, [room.name]))
                for room in floor
            }
            floor.sort(key=lambda room: (round(middle[room.name], 6), room.name))
            position |= {room.name: (index + 1) / (len(floor) + 1) for index, room in enumerate(floor)}
    return order
