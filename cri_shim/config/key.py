"""How a setting is declared: one dataclass field that also carries its comment, its form and its check.

Keeping the three beside the default is what lets ``cri-shim config default``, the checker and the documentation say
the same thing.
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
    """What is known of one setting apart from its type and default."""

    attribute: str
    name: str
    comment: str
    form: Form[Any] | None
    check: Callable[[Any], str] | None


def key(
    default: T,
    comment: str,
    *,
    name: str = "",
    form: Form[T] | None = None,
    check: Callable[[T], str] | None = None,
) -> T:
    """Declare a setting: its default, one line about it, its name in TOML if that differs, how it is written."""
    return field(default=default, metadata={_ABOUT: (name, comment, form, check)})


def section(kind: type[T], comment: str) -> T:
    """Declare a table below this one."""
    return field(default_factory=kind, metadata={_ABOUT: ("", comment, None, None)})


def table_of(make: Callable[[], T], comment: str) -> T:
    """Declare a table of tables whose names the user chooses."""
    return field(default_factory=make, metadata={_ABOUT: ("", comment, None, None)})


def keys_of(kind: type) -> tuple[Key, ...]:
    """The settings and tables that a section declares, in the order of the file; other fields are not in the file."""
    found = []
    for each in fields(kind):
        if _ABOUT in each.metadata:
            name, comment, form, check = each.metadata[_ABOUT]
            found.append(Key(each.name, name or each.name, comment, form, check))
    return tuple(found)
