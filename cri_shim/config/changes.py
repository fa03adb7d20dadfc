"""Compare two configurations key by key, and combine what a running daemon can take over of the newer one.

The running daemon keeps the old value of every key that needs a restart, also where it would only read the key again
with the next request: half of the daemon would work with one value and half with the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from cri_shim.config.key import keys_of
from cri_shim.config.read import dotted
from cri_shim.config.render import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config.schema import Config

T = TypeVar("T")

ABSENT = "(absent)"
PRESENT = "(present)"
"""How a whole table is shown that only one of two configurations has."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that two configurations set differently; the values are written as in the file."""

    key: str
    before: str
    after: str
    live: bool

    def __str__(self) -> str:
        """Return ``key: before -> after``."""
        return f"{self.key}: {self.before} -> {self.after}"


def changes(before: Config, after: Config) -> tuple[Change, ...]:
    """Return every difference, in the order of the file."""
    return tuple(_changes(before, after, ()))


def with_live_keys(running: Config, wanted: Config) -> Config:
    """Return ``running`` with the live keys of ``wanted``."""
    return _merged(running, wanted)


def _changes(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[Change]:
    for key in keys_of(type(before)):
        old, new = getattr(before, key.attribute), getattr(after, key.attribute)
        here = (*path, key.name)
        if isinstance(old, Mapping):
            yield from _table_changes(old, new, here)
        elif is_dataclass(old):
            yield from _changes(old, new, here)
        elif old != new:
            yield Change(dotted(here), scalar(key, old), scalar(key, new), key.live)


def _table_changes(before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield Change(dotted((*path, name)), PRESENT, ABSENT, live=False)
        elif name not in before:
            yield Change(dotted((*path, name)), ABSENT, PRESENT, live=False)
        else:
            yield from _changes(before[name], after[name], (*path, name))


def _merged(running: T, wanted: T) -> T:
    values: dict[str, Any] = {}
    for key in keys_of(type(running)):
        old, new = getattr(running, key.attribute), getattr(wanted, key.attribute)
        if isinstance(old, Mapping):
            merged = {name: _merged(one, new[name]) if name in new else one for name, one in old.items()}
            values[key.attribute] = MappingProxyType(merged)
        elif is_dataclass(old):
            values[key.attribute] = _merged(old, new)
        elif key.live:
            values[key.attribute] = new
    return replace(running, **values)  # type: ignore[type-var]
