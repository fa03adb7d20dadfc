"""Write text in the language of manual pages, man(7)."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"`([^`]+)`")


def escaped(text: str) -> str:
    """Return text that is shown as it is, wherever it stands."""
    plain = text.replace("\\", "\\(rs").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha")
    plain = plain.replace("~", "\\(ti")
    return f"\\&{plain}" if plain.startswith(".") else plain


def prose(text: str) -> str:
    """Return sentences, with what is in backquotes in bold."""
    parts = _CODE.split(text)
    return "".join(bold(part) if index % 2 else escaped(part) for index, part in enumerate(parts))


def bold(text: str) -> str:
    """Return text to be typed as it stands."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Return text that stands for something else."""
    return f"\\fI{escaped(text)}\\fR"


def title(name: str, section: int, date: str, version: str) -> str:
    """Return the first line of a page."""
    return f'.TH "{name.upper()}" {section} "{date}" "cri-shim {version}" "cri-shim"'


def literal(text: str) -> list[str]:
    """Return lines that keep their breaks and blanks."""
    return [".nf", *(escaped(line) for line in text.splitlines()), ".fi"]
