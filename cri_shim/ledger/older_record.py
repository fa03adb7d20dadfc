"""Complete a record that a daemon of an earlier release has sent, or that an earlier release has recorded.

The names that came later follow from those that were always there, so that a view need not handle their absence.
"""

from __future__ import annotations

from typing import Any

from cri_shim.ledger.critical_path import with_critical_path
from cri_shim.ledger.purposes import helper_purpose, hop_purpose, stage_purpose, wait_purpose
from cri_shim.ledger.steps import whole
from cri_shim.ledger.unfinished import UNFINISHED


def completed(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record (``/api/requests/ID``) with purposes, what is known of bytes, and the critical path."""
    if "critical_path" in record:
        return record
    method = record["method"]
    pieces = {
        "hops": [
            {"purpose": hop_purpose(method, hop["method"]), "bytes_known": hop["code"] != UNFINISHED} | hop
            for hop in record["hops"]
        ],
        "helpers": [{"purpose": helper_purpose(one["name"], one["command"])} | one for one in record["helpers"]],
        "stages": [{"purpose": stage_purpose(one["name"])} | one for one in record["stages"]],
        "waits": [{"purpose": wait_purpose(one["name"])} | one for one in record["waits"]],
    }
    unfinished = sum(hop["code"] == UNFINISHED for hop in record["hops"])
    return whole(with_critical_path({"unfinished_hop_count": unfinished} | record | pieces))
