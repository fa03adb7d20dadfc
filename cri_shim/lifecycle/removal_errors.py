"""A removal that the node refuses: which path is in the way, in words, and that the removal can be repeated."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cri_shim.os_errors import cri_error_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def removal_of(what: str) -> Iterator[None]:
    """Let an OSError become the error that names ``what`` and the path; its record is still there, so ask again."""
    try:
        yield
    except OSError as error:
        refused = cri_error_of(error)
        raise type(refused)(f"{what} cannot be removed: {refused}") from error
