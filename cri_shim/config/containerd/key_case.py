"""Find keys that are spelled in another case, as containerd does.

Its decoders accept some: that of 1.x (go-toml v1) takes a key as it is declared, in lower case, in upper case or with
a small first letter, in this order; that of 2.x (go-toml v2) takes any case, and of several spellings the last. Names
that an administrator chooses (plugins, handlers, registries) are compared as they are. Source: what ``containerd config
dump`` of 1.6 and 2.1 prints.

containerd 2.x first moves keys of files of version 1 and 2 to their new places, and for that looks for the usual
spelling only, so that those of images and of the server have to be spelled so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cri_shim.config.containerd.keys import CRI, KEYS, RUNTIME
from cri_shim.config.containerd.whole_tables import WHOLE_TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cri_shim.config.containerd.rule import Own
    from cri_shim.config.lines import Path

_HANDLERS: Final = ((*CRI, "containerd", "default_runtime"), (*CRI, "containerd", "untrusted_workload_runtime"))
"""Tables that are handlers of a fixed name."""


def spelling(key: str, present: Iterable[str], line: int) -> str:
    """Return which of the keys ``present`` containerd ``line``.x reads as ``key``; empty if none."""
    if line == 1:
        tried = (key, key.lower(), key.upper(), key[:1].lower() + key[1:])
        there = set(present)
        return next((each for each in tried if each in there), "")
    same = [each for each in present if each.lower() == key.lower()]
    return same[-1] if same else ""


def usual_spellings(document: dict[str, Any], known: Collection[str], line: int) -> dict[str, str]:
    """Return the keys of ``document`` that stand for one of ``known`` in another spelling, and which one."""
    spelled = {spelling(key, document, line): key for key in known}
    return {each: key for each, key in spelled.items() if each and each != key}


def spell_usually(document: dict[str, Any], origins: dict[Path, Any], version: int, line: int) -> None:
    """Give the keys of plugins' tables their usual spelling where containerd ``line``.x reads them as such.

    ``document`` is of ``version``; ``origins`` says by path where a value came from, and goes with its key.
    """
    plugins = document.get("plugins")
    for name, table in plugins.items() if isinstance(plugins, dict) else ():
        if isinstance(table, dict):
            _Speller(origins, line, moves=version < 3).spell(("plugins", name), ("plugins", name), table)


class _Speller:
    """Goes through one plugin's table; ``moves`` says whether containerd 2.x moves keys of it."""

    def __init__(self, origins: dict[Path, Any], line: int, *, moves: bool) -> None:
        self._origins = origins
        self._line = line
        self._moves = moves

    def spell(self, path: Path, pattern: Own, table: dict[str, Any]) -> None:
        known = _CHILDREN.get(pattern, set())
        ordered = table
        if self._line > 1:
            ordered = dict(sorted(table.items()))  # as containerd 2.x decodes a plugin's table
            known = {key for key in known if not self._moves or _stays((*pattern, key))}
        for spelled, key in usual_spellings(ordered, known, self._line).items():
            self._rename(path, table, spelled, key)
        for key, value in table.items():
            below = (*pattern, "*" if pattern[-1] == "runtimes" else str(key))
            if isinstance(value, dict):
                self.spell((*path, key), _as_handler(below), value)

    def _rename(self, path: Path, table: dict[str, Any], spelled: str, key: str) -> None:
        """Put the value of ``spelled`` under ``key``; where it came from stays known."""
        for place in [each for each in self._origins if each[: len(path) + 1] == (*path, key)]:
            del self._origins[place]
        old = (*path, spelled)
        for place in [each for each in self._origins if each[: len(old)] == old]:
            self._origins[(*path, key, *place[len(old) :])] = self._origins.pop(place)
        table[key] = table.pop(spelled)


def _as_handler(pattern: Own) -> Own:
    return (*CRI, "containerd", "runtimes", "*") if pattern in _HANDLERS else pattern


def _stays(pattern: Own) -> bool:
    """Return whether 2.x moves the key with its whole table, so that its spelling does not matter then."""
    return pattern[:2] != CRI or (*RUNTIME, *pattern[2:]) in _PLACES


_PLACES: Final = {path[:n] for path in (*KEYS, *WHOLE_TABLES, *_HANDLERS) for n in range(1, len(path) + 1)}
_CHILDREN: Final[dict[Own, set[str]]] = {}
for _place in _PLACES:
    if _place[-1] != "*":
        _CHILDREN.setdefault(_place[:-1], set()).add(_place[-1])
