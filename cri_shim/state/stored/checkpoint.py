"""A container's status on disk: ``<root>/containers/<id>/status``, the one thing containerd has no place for.

Written to a temporary file and renamed, so that a reader sees the old or the new one. It is not forced to disk: after
a power failure the tasks are gone too, and a missing or cut file reads as "unknown", which the kubelet copes with.
The form is the in-process plugin's (containerd pkg/cri/store/container/status.go).
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.state.containers import Status
from cri_shim.state.stored.go_json import from_go_json, to_go_json
from untrusted import escaped, parse_object

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = "v1"
_FILE = "status"
_DRAFT = ".status.tmp"
_LIMIT = 1 << 20
_NO_STATUS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EFBIG})
"""Errors that mean that there is no status file of ours; any other one is raised."""
_INT32 = range(-(1 << 31), 1 << 31)


def write_status(directory: Path, status: Status) -> None:
    """Replace the status below a container's directory; raises OSError naming the file."""
    draft_status(directory, status)
    keep_draft(directory)


def draft_status(directory: Path, status: Status) -> None:
    """Write the status beside the one that is there, while what it says is still coming true.

    Raises OSError naming the file. Making a file is what takes its time when the disk is busy; the renaming is cheap.
    """
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
    write_file(directory / _DRAFT, json.dumps(document, separators=(",", ":")).encode(), mode=0o600)


def keep_draft(directory: Path) -> None:
    """Put the draft in the place of the status; raises OSError naming the file."""
    (directory / _DRAFT).replace(directory / _FILE)


def read_status(directory: Path) -> Status:
    """The status below a container's directory.

    Raises ValueError naming the file when it is missing or damaged, and OSError when it cannot be read just now, which
    says nothing of what is in it.
    """
    path = directory / _FILE
    try:
        document = parse_object(read_small_file(path, _LIMIT))
        if (version := document.text("Version")) != _VERSION:
            raise ValueError(f"version '{escaped(version)}' is not {_VERSION}")
        resources = document.object("Resources")
        return Status(
            pid=document.integer("Pid", least=0, most=_INT32.stop - 1),
            created_at=document.integer("CreatedAt"),
            started_at=document.integer("StartedAt"),
            finished_at=document.integer("FinishedAt"),
            exit_code=document.integer("ExitCode", least=_INT32.start, most=_INT32.stop - 1),
            reason=document.text("Reason"),
            message=document.text("Message"),
            resources=None if resources is None else from_go_json(resources.plain(), cri.ContainerResources()),
        )
    except OSError as error:
        if error.errno not in _NO_STATUS:
            raise
        raise ValueError(f"container status {path} is not readable: {error}") from error
    except ValueError as error:
        raise ValueError(f"container status {path} is not readable: {error}") from error
