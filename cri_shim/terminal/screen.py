"""Print text as the terminal can show it, and answers as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from typing import Any

from cri_shim.wrapped_text import NARROW
from untrusted import escaped

_WIDEST = 1000  # columns; the variable COLUMNS may be any number


def printable(text: str) -> str:
    """Return the text with its control characters as escapes; a CNI plugin's name may hold some."""
    return "\n".join(escaped(line, len(line)) for line in text.split("\n"))


def width() -> int:
    """Return how many columns the terminal has."""
    return min(shutil.get_terminal_size((NARROW, 24)).columns, _WIDEST)


def is_plain() -> bool:
    """Return whether the terminal shows only ASCII."""
    with suppress(UnicodeEncodeError, LookupError):
        "█▓─·".encode(sys.stdout.encoding or "ascii")
        return False
    return True


def print_text(text: str) -> None:
    """Print text whose names others have chosen."""
    print(printable(text))


def print_json(answer: Any, *, indent: int | None = 2) -> None:
    """Print a document."""
    print(json.dumps(answer, indent=indent))


def print_page(page: str) -> None:
    """Print a page for a browser, which is UTF-8 whatever the terminal shows."""
    sys.stdout.flush()
    sys.stdout.buffer.write(page.encode())
    sys.stdout.buffer.flush()


def print_error(text: str) -> None:
    """Print to standard error."""
    print(printable(text), file=sys.stderr)
