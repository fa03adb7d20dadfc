"""Renew what stands in a page between two marks: ``<!-- WORD NAME: begin -->`` and ``<!-- WORD NAME: end -->``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def renewed(page: str, word: str, content: Callable[[str], str]) -> str:
    """Return the page with what stands between marks of this ``word`` replaced by ``content`` of their name."""

    def made(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {word} {name}: begin -->\n{content(name)}<!-- {word} {name}: end -->"

    place = rf"^<!-- {word} (?P<name>\S+): begin -->\n.*?^<!-- {word} (?P=name): end -->$"
    return re.sub(place, made, page, flags=re.DOTALL | re.MULTILINE)
