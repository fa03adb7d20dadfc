"""docs/images/architecture.svg and docs/rooms.md show the house as its imports are: ``python -m checks.picture``.

Both are generated, and stale ones are violations, so that the picture cannot drift from the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checks.floors import read_plan
from checks.repository import Repository
from checks.room_page import write_page
from checks.svg_picture import draw
from checks.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

SVG = "docs/images/architecture.svg"
PAGE = "docs/rooms.md"


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each of the two files that is not what the imports say."""
    try:
        pages = list(_pages(repository))
    except ValueError as circle:
        return [Violation(SVG, 1, f"cannot be drawn: {circle}")]
    return [
        Violation(path, 1, "does not show the imports as they are: run make picture")
        for path, text in pages
        if path not in repository.files or repository.text(path) != text
    ]


def _pages(repository: Repository) -> Iterator[tuple[str, str]]:
    plan = read_plan(repository)
    yield SVG, draw(plan)
    yield PAGE, write_page(repository, plan)


if __name__ == "__main__":
    for _path, _text in _pages(Repository(Path.cwd())):
        Path(_path).parent.mkdir(parents=True, exist_ok=True)
        Path(_path).write_text(_text, encoding="utf-8")
        print(_path)
