"""Read one section of a TOML document and check it against the dataclass that declares it.

Reading continues after a mistake, so that the administrator sees all mistakes at once. Until the end an invalid value
is replaced by its default, which is never used.
"""

from __future__ import annotations

import json
import re
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from cri_shim.config.errors import Problem
from cri_shim.config.key import Key, keys_of
from cri_shim.config.schema import Config, RuntimeHandler
from untrusted import encodable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.config.lines import Path

T = TypeVar("T")

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Reader:
    """Collects problems while sections are read; ``sources`` contains the paths whose value came from a flag."""

    def __init__(self, name: str, lines: dict[Path, int]) -> None:
        self._name = name
        self._lines = lines
        self.sources: dict[Path, str] = {}
        self.problems: list[Problem] = []

    def report(self, path: Path, what: str) -> None:
        """Note that the value at ``path`` is wrong; a path that is not in the file gets the line of its parent."""
        if path in self.sources:
            self.problems.append(Problem(self.sources[path], 0, dotted(path), what))
            return
        nearest = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 0)
        self.problems.append(Problem(self._name, nearest, dotted(path), what))

    def section(self, kind: type[T], document: dict[str, Any], path: Path, **given: Any) -> T:
        """Read ``document`` as a ``kind``; ``given`` contains the fields that are not in the file."""
        hints = _hints(cast("type", kind))
        known = {key.name: key for key in keys_of(kind)}
        values: dict[str, Any] = dict(given)
        for name, value in document.items():
            key = known.get(name)
            if key is None:
                self.report(
                    (*path, name), f"unknown {'table' if isinstance(value, dict) else 'key'}{_hint(name, known)}"
                )
                continue
            read = self._read(key, hints[key.attribute], value, (*path, name))
            if read is not None:
                values[key.attribute] = read
        return kind(**values)

    def _read(self, key: Key, hint: Any, value: Any, path: Path) -> Any:
        """Return the value of a field, or None after reporting what is wrong with it."""
        if hasattr(hint, "__dataclass_fields__"):
            return self.section(hint, value, path) if self._is_table(value, path) else None
        if key.attribute == "runtimes":
            return self._runtimes(value, path) if self._is_table(value, path) else None
        if key.form is not None:
            if not isinstance(value, str):
                self.report(path, f"is {_kind_of(value)}, must be {key.form.wanted}")
                return None
            try:
                value = key.form.parse(value)
            except ValueError as error:
                self.report(path, f"{error}, must be {key.form.wanted}")
                return None
        else:
            value = self._typed(hint, value, path)
        if value is None:
            return None
        wrong = key.check(value) if key.check is not None else ""
        if wrong:
            self.report(path, wrong)
            return None
        return value

    def _is_table(self, value: Any, path: Path) -> bool:
        if not isinstance(value, dict):
            self.report(path, f"is {_kind_of(value)}, must be a table")
            return False
        return True

    def _runtimes(self, document: dict[str, Any], path: Path) -> MappingProxyType[str, RuntimeHandler]:
        handlers = {"runc": RuntimeHandler(name="runc")}
        for name, value in document.items():
            if self._is_table(value, (*path, name)):
                handlers[name] = self.section(RuntimeHandler, value, (*path, name), name=name)
        return MappingProxyType(handlers)

    def _typed(self, hint: Any, value: Any, path: Path) -> Any:
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            if value not in choices:
                self.report(path, f"is {value!r}, must be one of {', '.join(map(_quoted, choices))}")
                return None
            return value
        if get_origin(hint) is tuple:
            if not isinstance(value, list):
                self.report(path, f"is {_kind_of(value)}, must be a list of strings")
                return None
            wrong = [index for index, each in enumerate(value) if not isinstance(each, str)]
            for index in wrong:
                self.report((*path, index), f"is {_kind_of(value[index])}, must be a string")
            return None if wrong else tuple(value)
        if type(value) is not hint:  # not isinstance: in Python a bool is an int, but not in the file
            self.report(path, f"is {_kind_of(value)}, must be {_WANTED[hint]}")
            return None
        if hint is str and encodable(value) != value:  # only an option of the command line can be
            self.report(path, f"{value!r} is not UTF-8")
            return None
        return value


_WANTED = {str: "a string", int: "a whole number", bool: "true or false"}
_KINDS = ((bool, "a boolean"), (int, "a whole number"), (float, "a fraction"), (str, "a string"), (list, "a list"))


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    return next((word for kind, word in _KINDS if isinstance(value, kind)), "a date or time")


def _quoted(text: str) -> str:
    return f'"{text}"'


def dotted(path: Path) -> str:
    """Return the name of a key as in TOML: ``cni.bin_dirs[1]``, ``containerd.runtimes."my.runtime"``."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += ("." if out else "") + (part if _BARE.fullmatch(part) else _key_in_quotes(part))
    return out


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a section's fields, which are text until they are looked up."""
    return get_type_hints(kind)


def _key_in_quotes(part: str) -> str:
    # A string of JSON is also one of TOML, except for DEL.
    return json.dumps(part, ensure_ascii=False).replace("\x7f", "\\u007f")


def _all_names(kind: type, prefix: str = "") -> dict[str, str]:
    """Return every key's full name by its last part; tables of tables have NAME for the name that the user chooses."""
    hints = _hints(kind)
    names = {}
    for key in keys_of(kind):
        full = f"{prefix}{key.name}"
        names[key.name] = full
        hint = hints[key.attribute]
        if key.attribute == "runtimes":
            names |= _all_names(RuntimeHandler, f"{full}.NAME.")
        elif hasattr(hint, "__dataclass_fields__"):
            names |= _all_names(hint, f"{full}.")
    return names


def _hint(name: str, siblings: Iterable[str]) -> str:
    """Return a hint at the key that was probably meant: one of the same table, else one of any table."""
    for names in ({each: each for each in siblings}, _all_names(Config)):
        lower = {each.lower(): full for each, full in names.items()}
        import difflib  # noqa: PLC0415 - only for a mistake

        near = difflib.get_close_matches(name.lower().replace("-", "_"), lower, n=1, cutoff=0.8)
        if near:
            return f"; did you mean {lower[near[0]]}?"
    return ""
