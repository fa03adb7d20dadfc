"""Write the report as Markdown, with its pictures as separate files."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from cri_shim.bench.report.blocks import Block, Code, Heading, Items, Paragraph, Picture, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 120
_CODE_OR_TAG = re.compile(r"`[^`]+`|<(?=[A-Za-z/!?])")


def to_markdown(blocks: Sequence[Block], pictures: str) -> str:
    """Return the whole page; ``pictures`` is the path from the page to the folder of the pictures."""
    return "\n\n".join(_block(block, pictures) for block in blocks) + "\n"


def _block(block: Block, pictures: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_without_tags(block.text)}"
        case Paragraph():
            return _wrap(block.text, "> " if block.warns else "")
        case Items():
            return "\n".join(_wrap(item, "  ", "- ") for item in block.items)
        case Table():
            return _table(block)
        case Picture():
            return f"![{block.caption}]({pictures}/{block.name}.svg)\n\n{_wrap(f'*{block.caption}*')}"
        case Code():
            return f"```\n{block.text}\n```"


def _table(table: Table) -> str:
    rule = ["---" if column < table.words else "---:" for column in range(len(table.head))]
    rows = (table.head, rule, *table.rows)
    return "\n".join("| " + " | ".join(_without_tags(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def _without_tags(text: str) -> str:
    """Return text that no Markdown page reads as HTML, because a runtime may have any name."""
    return _CODE_OR_TAG.sub(lambda match: "&lt;" if match[0] == "<" else match[0], text)


def _wrap(text: str, indent: str = "", first: str = "") -> str:
    return textwrap.fill(
        _without_tags(text),
        _WIDTH,
        initial_indent=first or indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
