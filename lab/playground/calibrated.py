"""Wait until a daemon knows what its sockets take, so that the first pod's bill has no unknown part."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from cri_shim.ledger.transport.gap_curve import GAPS, ROUNDS_AT_START
from lab.patience import patient

LONGEST = 30.0
"""Seconds after which the pod is started anyway: its bill then says which part is not known."""


def wait_calibrated(page: str) -> bool:
    """Return whether front hop and transport can be estimated; wait for it after a daemon's start.

    A daemon that has just started makes calls that do nothing, for four seconds. A kubelet's first pod comes later than
    that, and the playground's should, too: its price is the first figure that a reader looks at.
    """
    deadline = time.monotonic() + patient(LONGEST)
    while not is_calibrated(_calibration(page)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_calibrated(answer: dict[str, Any]) -> bool:
    """Return whether an answer of ``/api/calibration`` has enough measurements of each part that is estimated.

    The first of the rounds is made beside the pull of the images, and says little alone.
    """
    curve, front = answer.get("curve", []), answer.get("front", {})
    rounds = min((point["samples"] for point in curve), default=0)
    return len(curve) == len(GAPS) and rounds >= ROUNDS_AT_START and bool(front["way_in"] and front["way_out"])


def _calibration(page: str) -> dict[str, Any]:
    """Return the daemon's answer; an empty one if it does not answer."""
    try:
        with urllib.request.urlopen(f"{page}/api/calibration", timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
            return body
    except (urllib.error.URLError, OSError, ValueError):
        return {}
