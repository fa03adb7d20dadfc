"""The final status of a remote command, sent on its error stream (Kubernetes apimachinery, util/remotecommand)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cri_shim.status_text import status_text as bounded

if TYPE_CHECKING:
    from cri_shim.streaming.remote import Outcome


def status_json(outcome: Outcome) -> bytes:
    """Return the outcome as a metav1.Status, which v4 and later use."""
    status: dict[str, Any] = {"metadata": {}, "status": "Success"}
    if outcome.error:
        said = bounded(outcome.error)
        status |= {
            "status": "Failure",
            "message": said,
            "reason": "InternalError",
            "details": {"causes": [{"message": said}]},
            "code": 500,
        }
    elif outcome.exit_code:
        status |= {
            "status": "Failure",
            "message": status_text(outcome).decode(),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(outcome.exit_code)}]},
        }
    return json.dumps(status, separators=(",", ":")).encode()


def status_text(outcome: Outcome) -> bytes:
    """Return the outcome as one line for the protocols before v4; empty for success."""
    if outcome.error:
        return bounded(outcome.error).encode()
    return f"command terminated with non-zero exit code: {outcome.exit_code}".encode() if outcome.exit_code else b""
