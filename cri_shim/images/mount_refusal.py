"""The error for a snapshot that the daemon cannot mount: it names the snapshotter and what its mounts need."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.mounts import UnsupportedMountError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_THE_NODE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})
"""Errors that another snapshotter would not change."""


@contextmanager
def refused_mounts(snapshotter: str, what: str) -> Iterator[None]:
    """Turn mount errors into FailedPreconditionErrors; ``what`` ("the files of image X") names what failed."""
    try:
        yield
    except (OSError, UnsupportedMountError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_NODE:
            raise
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FailedPreconditionError(
            f"{what} cannot be mounted on this node: snapshotter {snapshotter!r}: {text}; the kernel or this daemon "
            "lacks what its mounts need, use another snapshotter"
        ) from error
