"""Ask before something is changed."""

from __future__ import annotations

import sys
from typing import Final

UNCONFIRMED: Final = 2


def confirmed(*, yes: bool) -> int:
    """Return 0 if the changes may be made, else the exit code: 1 for no, 2 if there is no terminal to ask at."""
    if yes:
        return 0
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        print("nothing was changed: without a terminal, confirm with -y", file=sys.stderr)
        return UNCONFIRMED
    try:
        answer = input("Make these changes? [y/N] ")
    except (EOFError, KeyboardInterrupt):  # Ctrl-D, Ctrl-C
        answer = ""
        print()
    if answer.strip().lower() in {"y", "yes"}:
        return 0
    print("nothing was changed", file=sys.stderr)
    return 1
