"""Fill the messages of a list one by one, so that one without a wire form is left out and does not fail the others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cri_shim.state.wire import UNENCODABLE, warn_unlistable

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_of(messages: Any, kind: str, id_: str) -> Iterator[Any]:
    """Add a message to a repeated field for the block to fill; remove it with a warning if it has no wire form."""
    message = messages.add()
    try:
        yield message
    except UNENCODABLE as error:
        del messages[-1]
        warn_unlistable(kind, id_, error)
