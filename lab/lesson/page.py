"""Read a page of docs/lab: what to run, and what to expect of it.

A block of ``sh`` is what the reader runs. A block of ``text`` after it is what the reader sees; ``…`` in a line stands
for what differs from run to run. ``<!-- playground: --side docker -->`` names what has to run beside the node, and
``<!-- seconds: 900 -->`` says how long one of its blocks may take, where that is longer than for most.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FENCE = re.compile(r"^```(?P<kind>\w*)$")
_PLAYGROUND = re.compile(r"<!-- playground: (?P<arguments>.*) -->")
_SECONDS = re.compile(r"<!-- seconds: (?P<seconds>\d+) -->")
SECONDS = 120
"""The longest that a block takes, unless the page says otherwise."""


class PageError(ValueError):
    """A page that cannot be walked through; the text names the line."""


@dataclass(slots=True)
class Step:
    """A paragraph or more, the commands after it, and the lines to expect."""

    prose: str
    commands: str
    line: int
    expected: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One exercise."""

    title: str
    steps: tuple[Step, ...]
    rest: str
    """What follows the last command: the question and its answer."""
    playground: tuple[str, ...]
    """Arguments of ``make up``."""
    seconds: int = SECONDS
    """The longest that a block may take."""


def read_page(path: Path) -> Page:
    """Read a page; raises PageError for blocks that are not in order."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    steps: list[Step] = []
    prose: list[str] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            prose.append(lines[number])
            number += 1
            continue
        end = next((at for at in range(number + 1, len(lines)) if lines[at] == "```"), None)
        if end is None:
            raise PageError(f"{path}:{number + 1}: the block has no end")
        block = lines[number + 1 : end]
        if fence["kind"] == "sh":
            steps.append(Step("\n".join(prose).strip("\n"), "\n".join(block), number + 1))
            prose = []
        elif fence["kind"] == "text":
            if not steps or steps[-1].expected or any(line.strip() for line in prose):
                raise PageError(f"{path}:{number + 1}: a block of text belongs directly after one of sh")
            steps[-1].expected = block
            prose = []
        else:
            prose += lines[number : end + 1]
        number = end + 1
    given, longest = _PLAYGROUND.search(text), _SECONDS.search(text)
    title = lines[0].removeprefix("# ") if lines else ""
    return Page(
        title,
        tuple(steps),
        "\n".join(prose).strip("\n"),
        tuple(shlex.split(given["arguments"]) if given else ()),
        int(longest["seconds"]) if longest else SECONDS,
    )
