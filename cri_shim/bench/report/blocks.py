"""The blocks of a report, before it is HTML or Markdown. Text may contain `code` and **strong** words, nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title of the report."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; one that ``warns`` stands out."""

    text: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; all columns except the first ``words`` hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG; ``name`` is its file's name, ``caption`` says how to read it."""

    name: str
    content: str
    caption: str


@dataclass(frozen=True, slots=True)
class Code:
    """A command."""

    text: str


Block = Heading | Paragraph | Items | Table | Picture | Code
