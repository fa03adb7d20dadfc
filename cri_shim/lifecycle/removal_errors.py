"""Put a removal that the node or containerd refuses into words: what stays, what is in the way, and what to do.

The record is still there then, so the removal can be repeated.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from containerd_client import ClientClosed, ContainerdError, DeadlineExceeded, Unavailable
from cri_shim.errors import CriError
from cri_shim.images.missing_snapshotter import missing_snapshotter
from cri_shim.os_errors import cri_error_of, node_error_in
from untrusted import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_WORDS = 1024


@contextmanager
def removal_of(what: str) -> Iterator[None]:
    """Turn errors of the node and of containerd into ones that name ``what``; the status code stays.

    The record stays, so the client can ask again.
    """
    try:
        yield
    except OSError as error:
        refused = cri_error_of(error)
        raise type(refused)(f"{what} cannot be removed: {refused}") from error
    except ClientClosed:  # the daemon stops
        raise
    except ContainerdError as error:
        raise _refused(what, error) from error


def _refused(what: str, error: ContainerdError) -> CriError:
    said = shorten(str(error), _LONGEST_WORDS)
    meant = node_error_in(said) or missing_snapshotter(error)
    if meant is not None:
        return type(meant)(f"{what} cannot be removed: {meant}")
    if isinstance(error, Unavailable):
        why = f"containerd is away ({said}); remove it again when containerd is back"
    elif isinstance(error, DeadlineExceeded):
        why = f"containerd does not answer in time ({said}); remove it again later"
    else:
        why = f"containerd refuses a step ({said}); fix what it names and remove it again"
    return with_code_of(error, f"{what} cannot be removed: {why}")


def with_code_of(error: ContainerdError, text: str) -> CriError:
    """Return an error with words of our own and the status code of containerd's."""
    refused = CriError(text)
    refused.code = grpc.StatusCode[error.code]
    return refused
