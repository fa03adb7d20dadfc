"""Read the flags that a node's files give its kubelet: its unit, and the files of variables of kubeadm and of packages.

A unit starts the kubelet with flags and with variables, which come from ``Environment=`` and from files that
``EnvironmentFile=`` names; later ones win, and files win over ``Environment=`` (systemd.exec(5)). Without a unit, the
files of the usual names are read.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.files import text_of
from cri_shim.doctor.facts.unit_files import service_values, unit_texts
from cri_shim.doctor.facts.unit_words import first_command, words_of
from cri_shim.node_root import on_disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

UNIT: Final = "kubelet.service"
USUAL_FILES: Final = ("/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet")
_VARIABLE: Final = re.compile(r"\$(?:\$|\{(\w+)\})", re.ASCII)
_LONE_VARIABLE: Final = re.compile(r"\$(\w+)", re.ASCII)


class Flag(Struct, frozen=True):
    """The value of a flag, and the file that gives it; no file for one of a running kubelet."""

    value: str
    path: str = ""


_Words = list[tuple[str, str]]
"""Words of a command, each with the path of the file that it comes from."""


def flags_of(words: Iterable[tuple[str, str]]) -> dict[str, Flag]:
    """Return the flags of a command line, ``--name=value`` or ``--name value``."""
    flags: dict[str, Flag] = {}
    given = list(words)
    for number, (word, path) in enumerate(given):
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-"):
            following = given[number + 1][0] if number + 1 < len(given) else ""
            flags[name] = Flag(value if equals else ("" if following.startswith("-") else following), path)
    return flags


def flags_of_files(root: Path) -> tuple[dict[str, Flag], str]:
    """Return the flags that the files of a node give its kubelet, or the reason why they are unknown. Blocks."""
    path = ""
    try:
        texts = unit_texts(root, UNIT)
        command, path = _command(texts), ""
        if not command:
            words: _Words = []
            for path in USUAL_FILES:
                words += [word for text, file in _variables_of(root, path).values() for word in _split(text, file)]
            return flags_of(words), ""
        variables: dict[str, tuple[str, str]] = {}
        files: list[str] = []
        for path, text in texts:
            variables |= _environment(path, text)
            for each in service_values(text, "EnvironmentFile"):
                files = [*files, each.lstrip("-")] if each else []
        for path in files:
            variables |= _variables_of(root, path)
        return flags_of(word for one in command[1:] for word in _expanded(one, variables)), ""
    except OSError as error:
        return {}, f"{error.filename or path} cannot be read: {(error.strerror or str(error)).lower()}"
    except ValueError as error:
        return {}, f"{path} cannot be understood: {str(error).lower()}"


def _command(texts: Iterable[tuple[str, str]]) -> _Words:
    """Return the words of the command that counts, which is the last one."""
    command: _Words = []
    for path, text in texts:
        for value in service_values(text, "ExecStart"):
            command = [(word, path) for word in first_command(value)]
    return command


def _environment(path: str, text: str) -> dict[str, tuple[str, str]]:
    pairs = [word.partition("=") for value in service_values(text, "Environment") for word in words_of(value)]
    return {name: (value, path) for name, _, value in pairs}


def _variables_of(root: Path, path: str) -> dict[str, tuple[str, str]]:
    """Return the variables of a file, which need not be there; raises OSError naming the path, and ValueError."""
    try:
        text = text_of(on_disk(root, path, follow=True)) or ""
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    lines = [line.strip() for line in text.replace("\\\n", "").splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith(("#", ";"))]
    return {name.strip(): (" ".join(shlex.split(value)), path) for name, _, value in pairs}


def _expanded(one: tuple[str, str], variables: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what systemd makes of a word: ``$NAME`` becomes several, ``${NAME}`` a part of one."""
    word, path = one
    if lone := _LONE_VARIABLE.fullmatch(word):
        yield from _split(*variables.get(lone[1], ("", path)))
        return
    inner = [match[1] for match in _VARIABLE.finditer(word) if match[1] in variables]
    value = _VARIABLE.sub(lambda match: variables.get(match[1], ("", ""))[0] if match[1] else "$", word)
    yield value, variables[inner[0]][1] if inner else path


def _split(text: str, path: str) -> _Words:
    return [(word, path) for word in words_of(text)]
