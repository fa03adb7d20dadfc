"""Which versions of criu can write a checkpoint, and how ``criu --version`` says its own."""

from __future__ import annotations

import re
from typing import Final

OLDEST: Final = (3, 16)
"""The first version of criu that writes what a checkpoint of a pod's container needs."""


def version_in(answer: str) -> tuple[int, ...] | None:
    """Return the version in the output of ``criu --version``; None without one."""
    match = re.search(r"^Version:\s*(\d+(?:\.\d+)+)", answer, re.MULTILINE)
    return None if match is None else tuple(map(int, match.group(1).split(".")))
