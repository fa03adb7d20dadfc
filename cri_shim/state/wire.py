"""A record that fits into no message costs a list that record only.

What records hold is checked where it is read. Should one hold what no message can all the same, it alone is listed with
its id and nothing else, or left out: one bad record never fails a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

CANNOT_BE_SAID: Final = (ValueError, TypeError, ArithmeticError)
"""What filling a message raises for a value that does not fit: too large, not encodable, of another type."""

_WARNINGS_REMEMBERED = 1024
_warned: set[tuple[str, str]] = set()

log = structlog.get_logger(__name__)


def sayable(make: Callable[[], M], instead: Callable[[], M], kind: str, id_: str) -> M:
    """Return the message that ``make`` gives, or that of ``instead`` with a warning if it cannot be made."""
    try:
        return make()
    except CANNOT_BE_SAID as error:
        warn_of(kind, id_, error)
        return instead()


def warn_of(kind: str, id_: str, error: Exception) -> None:
    """Log that something cannot be listed as it is, once for each of its kind and id."""
    if (kind, id_) in _warned:
        return
    if len(_warned) >= _WARNINGS_REMEMBERED:
        _warned.clear()
    _warned.add((kind, id_))
    log.warning("list.entry_unsayable", kind=kind, id=id_, error=str(error))
