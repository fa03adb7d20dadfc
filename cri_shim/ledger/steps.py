"""Compute something long in steps, so that the event loop can do something else in between.

Such a function is a generator that yields after each step and returns the result. It knows nothing of the event loop:
:func:`whole` runs it at once, and the explorer runs it piece by piece.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Made = TypeVar("Made")
Row = TypeVar("Row")
Steps: TypeAlias = Generator[None, None, Made]

ROWS: Final = 64
"""Rows of one step: less than a millisecond of work, and many enough that the steps themselves cost nothing."""


def mapped(make: Callable[[Row], Made], rows: Iterable[Row]) -> Steps[list[Made]]:
    """Return what ``make`` returns for each of the rows; a step ends after each ``ROWS``, and after the last row."""
    made: list[Made] = []
    for row in rows:
        made.append(make(row))
        if len(made) % ROWS == 0:
            yield
    yield
    return made


def whole(steps: Steps[Made]) -> Made:
    """Return the result of all steps, made at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Made = end.value
            return made
