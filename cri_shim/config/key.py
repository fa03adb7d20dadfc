"""Declare a setting as one dataclass field that also contains its comment, its form and its check.

Because these are beside the default, ``cri-shim config default``, the checker and the documentation agree with each
other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.config.forms import Form

T = TypeVar("T")
_ABOUT = "cri-shim"


@dataclass(frozen=True, slots=True)
class Key:
    """The declaration of one setting, apart from its type and default."""

    attribute: str
    name: str
    comment: str
    form: Form[Any] | None
    check: Callable[[Any], str] | None
    live: bool
    """Whether a reload applies a change; any other key needs a restart of the daemon."""


def key(
    default: T,
    comment: str,
    *,
    name: str = "",
    form: Form[T] | None = None,
    check: Callable[[T], str] | None = None,
    live: bool = False,
) -> T:
    """Declare a setting by its default, one line about it, its TOML name if that differs, its form and its check.

    ``live`` says that a running daemon applies a change of the setting when it reloads its configuration. Without it a
    change waits for a restart, and the running daemon keeps the old value everywhere.
    """
    return field(default=default, metadata={_ABOUT: (name, comment, form, check, live)})


def section(kind: type[T], comment: str) -> T:
    """Declare a sub-table."""
    return field(default_factory=kind, metadata={_ABOUT: ("", comment, None, None, False)})


def table_of(make: Callable[[], T], comment: str) -> T:
    """Declare a table of tables whose names the user chooses."""
    return field(default_factory=make, metadata={_ABOUT: ("", comment, None, None, False)})


def keys_of(kind: type) -> tuple[Key, ...]:
    """Return the declared settings and tables of a section in file order; other fields are not in the file."""
    keys = []
    for each in fields(kind):
        if _ABOUT in each.metadata:
            name, comment, form, check, live = each.metadata[_ABOUT]
            keys.append(Key(each.name, name or each.name, comment, form, check, live))
    return tuple(keys)
