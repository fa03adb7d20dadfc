"""Find a key of this daemon's configuration by its path, and check a value for it as its own reader would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from cri_shim.config.key import Key, keys_of
from cri_shim.config.schema import Config, RuntimeHandler

if TYPE_CHECKING:
    from cri_shim.config.containerd.rule import Own


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A value as the settings hold it."""

    value: Any
    is_default: bool


def own_value(path: Own, value: Any) -> OwnValue | str:
    """Return ``value`` (in the form of a file) as the settings hold it, or what the reader would say against it."""
    kind, key, default = own_key(path)
    if key.form is not None:
        try:
            value = key.form.parse(value)
        except ValueError as error:
            return f"{error}, must be {key.form.wanted}"
    hint = get_type_hints(kind)[key.attribute]
    if get_origin(hint) is Literal and value not in get_args(hint):
        return f"{value!r} is not one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(value, list):
        value = tuple(value)
    wrong = key.check(value) if key.check is not None else ""
    return wrong or OwnValue(value, value == default)


def own_key(path: Own) -> tuple[type, Key, Any]:
    """Return the section that has the key, the key, and its default; a handler's name is the third part of its path."""
    kind: type = Config
    for place, part in enumerate(path):
        if path[:2] == ("containerd", "runtimes") and place == 2:
            kind = RuntimeHandler
            continue
        key = next(each for each in keys_of(kind) if each.name == part)
        if place == len(path) - 1:
            return kind, key, getattr(kind(), key.attribute)
        hint = get_type_hints(kind)[key.attribute]
        kind = hint if isinstance(hint, type) else kind
    raise KeyError(path)
