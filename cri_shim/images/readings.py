"""Track readings of image records that are under way, and whether their results are out of date by then.

While a record is read from containerd, this daemon may change it: a pull makes a name point elsewhere, a removal
deletes it. The result of the reading must not overwrite that.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reading(Struct, eq=False):
    """The reading of one record; ``stale`` if the record has been changed since.

    Two readings are never equal.
    """

    stale: bool = False


class _ReadingOfAll(Struct, eq=False):
    """The reading of all records, and the names that have changed since it began.

    Two readings are never equal.
    """

    changed: set[str] = field(default_factory=set)


class Readings:
    """The readings under way."""

    def __init__(self) -> None:
        self._by_name: dict[str, set[Reading]] = {}
        self._of_all: set[_ReadingOfAll] = set()

    @contextmanager
    def of(self, name: str) -> Iterator[Reading]:
        """Register a reading of the record ``name`` for the length of a ``with`` block."""
        reading = Reading()
        self._by_name.setdefault(name, set()).add(reading)
        try:
            yield reading
        finally:
            self._by_name[name].discard(reading)
            if not self._by_name[name]:
                del self._by_name[name]

    @contextmanager
    def of_all(self) -> Iterator[set[str]]:
        """Register a reading of all records for the length of a ``with`` block.

        The set gets the names that change meanwhile.
        """
        reading = _ReadingOfAll()
        self._of_all.add(reading)
        try:
            yield reading.changed
        finally:
            self._of_all.discard(reading)

    def outdate(self, name: str) -> None:
        """Note that this daemon has changed the record of ``name``."""
        for reading in self._by_name.get(name, ()):
            reading.stale = True
        for all_records in self._of_all:
            all_records.changed.add(name)
