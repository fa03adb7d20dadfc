"""Format parts of a report as plain text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.bench.report.blocks import Table


def to_text(table: Table) -> str:
    """Return a table in columns: words to the left, numbers to the right; one line for each row."""
    lines = [[_without_marks(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    return "".join(f"{_line(line, widths, table.words)}\n" for line in lines)


def _line(cells: list[str], widths: list[int], words: int) -> str:
    placed = [
        f"{cell:<{width}}" if column < words else f"{cell:>{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(placed).rstrip()


def _without_marks(text: str) -> str:
    return text.replace("**", "").replace("`", "")
