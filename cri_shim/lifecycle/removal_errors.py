"""Put a removal that the node refuses into words: which path is in the way.

The record is still there then, so the removal can be repeated.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cri_shim.os_errors import cri_error_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def removal_of(what: str) -> Iterator[None]:
    """Turn an OSError into an error that names ``what`` and the path; the record stays, so the client can ask again."""
    try:
        yield
    except OSError as error:
        refused = cri_error_of(error)
        raise type(refused)(f"{what} cannot be removed: {refused}") from error
