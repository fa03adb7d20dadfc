"""Print the hops of a request and what each is for, using the last real request as the example."""

from __future__ import annotations

from typing import Any

from cri_shim.ledger.older_record import completed
from cri_shim.terminal.bill import bill_lines
from cri_shim.terminal.durations import ms
from cri_shim.terminal.fit import cut, folded
from cri_shim.terminal.waterfall import path_lines, rows_of
from cri_shim.wrapped_text import wrapped

_WIDEST_NAME = 40  # characters of a hop or a plugin
_LEAST_TEXT = 30  # characters beside the name; with less, the text stands below it
_BELOW = " " * 8
_SIDE_BY_SIDE = 0.05  # milliseconds by which a row may begin before the one above it ends and still come after it


def explained(record: dict[str, Any], *, width: int) -> str:
    """Return the hops and helpers of a record in order; those that began while an earlier one still ran have a +."""
    record = completed(record)
    rows = [row for row in rows_of(record) if row.kind in ("hop", "helper")]
    head = f"{record['method']} took {ms(record['bill']['wall_ms'])} ms (request {record['id']}, {record['code']})"
    if not rows:
        head = f"{head}: answered from memory, with no call to containerd and no program run"
        return folded("\n".join([head, "", *bill_lines(record)]), width)
    names = min(max(len(row.name) for row in rows), _WIDEST_NAME)
    lines = [folded(head, width), ""]
    reach = 0.0
    for number, row in enumerate(rows, 1):
        beside = "+" if number > 1 and row.start < reach - _SIDE_BY_SIDE else " "
        reach = max(reach, row.start + row.duration)
        mark = "*" if row.critical else " "
        prefix = f"{number:>3} {beside} {cut(row.name, names):{names}} {mark}{ms(row.duration):>8} ms  "
        if len(prefix) + _LEAST_TEXT > width:
            lines.append(prefix.rstrip())
            prefix = _BELOW
        lines += wrapped(row.purpose, width, first=prefix, further=" " * len(prefix), cut_words=True)
    said = ["+ began while one above was still under way", *path_lines(record), *bill_lines(record)]
    return "\n".join([*lines, "", *(folded(line, width) for line in said)])
