"""Count the calls in a recorded pod start of one architecture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "kubelet"


def calls(record: Path, caller: str, called: str, request: str = "") -> int:
    """Return how often ``caller`` asked ``called``, during one of the kubelet's requests or in the whole start.

    Raises KeyError for a caller that asks nothing at all, because that is a name which the record does not have.
    """
    steps = json.loads(record.read_text(encoding="utf-8"))["steps"]
    if not any(step["from"] == caller and step["to"] == called for step in steps):
        raise KeyError(f"{record.name}: {caller} never asks {called}")
    current, count = "", 0
    for step in steps:
        current = step["what"] if step["from"] == CLIENT else current
        count += step["from"] == caller and step["to"] == called and request in {"", current}
    return count
