"""Ask before something is changed."""

from __future__ import annotations

import sys
from typing import Final

UNCONFIRMED: Final = 2


def confirmed(*, yes: bool) -> int:
    """Return 0 if the changes may be made, else the exit code: 1 for no, 2 if there is no terminal to ask at."""
    if yes:
        return 0
    if not sys.stdin.isatty():
        print("nothing was changed: without a terminal, confirm with -y", file=sys.stderr)
        return UNCONFIRMED
    return 0 if input("Make these changes? [y/N] ").strip().lower() in {"y", "yes"} else 1
