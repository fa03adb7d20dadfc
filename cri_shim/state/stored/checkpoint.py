"""Encode and decode the status of a container in the form in which it is kept on disk.

The form is that of the in-process plugin (containerd pkg/cri/store/container/status.go), so that either can take over
from the other. :mod:`cri_shim.disk.status_file` reads and writes the file.
"""

from __future__ import annotations

import json

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.containers import Status
from cri_shim.state.stored.go_json import from_go_json, to_go_json
from untrusted import LONGEST_NAME, escaped, parse_object, shorten, without_middle

_VERSION = "v1"
_LONGEST_MESSAGE = 4096
_INT32 = range(-(1 << 31), 1 << 31)


def encode_status(status: Status) -> bytes:
    """Return the content of the file for ``status``."""
    document = {
        "Version": _VERSION,
        "Pid": status.pid,
        "CreatedAt": status.created_at,
        "StartedAt": status.started_at,
        "FinishedAt": status.finished_at,
        "ExitCode": status.exit_code,
        "Reason": status.reason,
        "Message": status.message,
        "Resources": None if status.resources is None else to_go_json(status.resources),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode_status(content: bytes) -> Status:
    """Return the status that a file's ``content`` holds; raises ValueError that says what is wrong with it."""
    document = parse_object(content)
    if (version := document.text("Version")) != _VERSION:
        raise ValueError(f"version '{escaped(version)}' is not {_VERSION}")
    resources = document.object("Resources")
    return Status(
        pid=document.integer("Pid", least=0, most=_INT32.stop - 1),
        created_at=document.integer("CreatedAt"),
        started_at=document.integer("StartedAt"),
        finished_at=document.integer("FinishedAt"),
        exit_code=document.integer("ExitCode", least=_INT32.start, most=_INT32.stop - 1),
        reason=shorten(document.text("Reason"), LONGEST_NAME),
        message=without_middle(document.text("Message"), _LONGEST_MESSAGE),
        resources=None if resources is None else from_go_json(resources.plain(), cri.ContainerResources()),
    )
