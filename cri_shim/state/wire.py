"""Keep one bad record from failing a whole list.

Records are checked where they are read. Should a record still hold a value that no protobuf message can carry, the list
shows that one with its id and nothing else, or leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

UNENCODABLE: Final = (ValueError, TypeError, ArithmeticError)
"""What setting a message's field raises for a value that does not fit: too large, not encodable, of another type."""

_WARNINGS_REMEMBERED = 1024
_warned: set[tuple[str, str]] = set()

log = structlog.get_logger(__name__)


def message_or_substitute(make: Callable[[], M], instead: Callable[[], M], kind: str, id_: str) -> M:
    """Return the message from ``make``; if it cannot be made, log a warning and return the one from ``instead``."""
    try:
        return make()
    except UNENCODABLE as error:
        warn_unlistable(kind, id_, error)
        return instead()


def warn_unlistable(kind: str, id_: str, error: Exception) -> None:
    """Log that an entry cannot be listed as it is; only once for each kind and id."""
    if (kind, id_) in _warned:
        return
    if len(_warned) >= _WARNINGS_REMEMBERED:
        _warned.clear()
    _warned.add((kind, id_))
    log.warning("list.entry_unsayable", kind=kind, id=id_, error=str(error))
