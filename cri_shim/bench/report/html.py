"""Write a report as one self-contained HTML file, without scripts, fonts or external pictures, in light and dark."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from cri_shim.bench.report import svg
from cri_shim.bench.report.blocks import Block, Code, Heading, Items, Paragraph, Picture, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE = f"""\
:root{{color-scheme:light dark;--paper:#fff;--warn:#fff4e5;{svg.LIGHT}}}
@media(prefers-color-scheme:dark){{:root{{--paper:#16181b;--warn:#3a2a14;{svg.DARK}}}}}
body{{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:56rem;margin:2rem auto;
padding:0 1rem}}
h1,h2,h3{{line-height:1.25;margin:2.2em 0 .6em}}h1{{margin-top:0}}
table{{border-collapse:collapse;display:block;overflow-x:auto;font-variant-numeric:tabular-nums;margin:1em 0}}
th,td{{padding:.25em .7em;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap;vertical-align:top}}
th.word,td.word{{text-align:left;white-space:normal}}th{{color:var(--quiet);font-weight:600}}
figure{{margin:1.2em 0}}figure div{{overflow-x:auto}}figcaption,.quiet{{color:var(--quiet);font-size:.9em}}
code,pre{{font:.92em ui-monospace,monospace}}pre{{overflow-x:auto;padding:.7em 1em;border:1px solid var(--rule)}}
.warn{{background:var(--warn);padding:.7em 1em;border-left:4px solid var(--c1)}}
{svg.STYLE}
@media(max-width:48rem){{svg.plot{{max-width:none}}}}
"""
"""Where a plot would shrink until its words cannot be read, it keeps its size and is scrolled, as tables are."""


def to_html(blocks: Sequence[Block]) -> str:
    """Return the whole file."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(_block(block) for block in blocks)
    style = f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}\n{style}</head>\n<body>\n{body}\n</body></html>\n'


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_inline(block.text)}</h{block.level}>"
        case Paragraph():
            kind = ' class="warn"' if block.warns else ""
            return f"<p{kind}>{_inline(block.text)}</p>"
        case Items():
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in block.items) + "</ul>"
        case Table():
            return _table(block)
        case Picture():
            return f"<figure><div>{block.content}</div><figcaption>{_inline(block.caption)}</figcaption></figure>"
        case Code():
            return f"<pre>{escape(block.text)}</pre>"


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="word"' if column < table.words else "" for column in range(len(cells))]
        joined = "".join(f"<{tag}{kind}>{_inline(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True))
        return f"<tr>{joined}</tr>"

    body = "".join(row(cells, "td") for cells in table.rows)
    return f"<table><thead>{row(table.head, 'th')}</thead><tbody>{body}</tbody></table>"


def _inline(text: str) -> str:
    escaped = escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped)
