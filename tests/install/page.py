"""Read the commands of a page of the documentation: each fenced block, and each command in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/install.md"
FENCE: Final = "```"
_HEREDOC: Final = re.compile(r"<<'(\w+)'$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the heading above it, its number below that heading, and its commands."""

    section: str
    number: int
    commands: tuple[str, ...]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    section, number = "", 0
    fenced: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(FENCE):
            if fenced is not None:
                number += 1
                yield Block(section, number, tuple(commands(fenced)))
            fenced = [] if fenced is None else None
        elif fenced is not None:
            fenced.append(line)
        elif line.startswith("## "):
            section, number = line[3:], 0


def commands(lines: list[str]) -> Iterator[str]:
    """Yield the commands of a block: a line with those that its backslash joins, or with its here-document."""
    rest = iter(lines)
    for line in rest:
        command = [line]
        if heredoc := _HEREDOC.search(line):
            for more in rest:
                command.append(more)
                if more == heredoc[1]:
                    break
        while command[-1].endswith("\\"):
            command.append(next(rest))
        yield "\n".join(command)
