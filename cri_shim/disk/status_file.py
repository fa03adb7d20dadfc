"""Store a container's status on disk, at ``<root>/containers/<id>/status``: the one thing containerd has no place for.

The file is written under a temporary name and renamed, so that a reader sees the old or the new one. It is not forced
to disk: after a power failure the tasks are gone too, and a missing or truncated file reads as "unknown", with which
the kubelet copes.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.state.stored.checkpoint import decode_status, encode_status

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.state.containers import Status

_FILE = "status"
_DRAFT = ".status.tmp"
_LIMIT = 1 << 20
_NO_STATUS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EFBIG})
"""Errors which mean that this daemon's status file does not exist; any other error is raised."""


def write_status(directory: Path, status: Status) -> None:
    """Replace the status below a container's directory.

    Raises ``OSError`` naming the file.
    """
    draft_status(directory, status)
    keep_draft(directory)


def draft_status(directory: Path, status: Status) -> None:
    """Write the new status beside the current one, while the change that it describes is still under way.

    Making a file is the slow part when the disk is busy; the rename is cheap. Raises ``OSError`` naming the file.
    """
    write_file(directory / _DRAFT, encode_status(status), mode=0o600)


def keep_draft(directory: Path) -> None:
    """Replace the status by the draft.

    Raises ``OSError`` naming the file.
    """
    (directory / _DRAFT).replace(directory / _FILE)


def read_status(directory: Path) -> Status:
    """Return the status below a container's directory.

    Raises ``ValueError`` naming the file if it is missing or damaged, and ``OSError`` if it cannot be read at the
    moment, which says nothing about its content.
    """
    path = directory / _FILE
    try:
        return decode_status(read_small_file(path, _LIMIT))
    except OSError as error:
        if error.errno not in _NO_STATUS:
            raise
        raise ValueError(f"container status {path} is not readable: {error}") from error
    except ValueError as error:
        raise ValueError(f"container status {path} is not readable: {error}") from error
