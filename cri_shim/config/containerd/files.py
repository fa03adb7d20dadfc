"""Read a configuration of containerd with the files that it imports, in containerd's order.

Source: ``LoadConfig`` and ``resolveImports`` of containerd (``services/server/config`` in 1.x, ``cmd/containerd/server/
config`` in 2.x). A relative import starts at the directory of the file that names it, one with a star is a glob, and a
file that has been read already is left out, which ends every circle.
"""

from __future__ import annotations

import glob
import os
import stat
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cri_shim.config.containerd.recognise import NEWEST, is_own, version_of
from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.lines import lines_of
from cri_shim.config.toml_document import parse_document
from untrusted import escaped

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from cri_shim.config.lines import Path

LARGEST: Final = 1 << 20
"""Bytes of one file; containerd's complete default has some 8 KiB."""
MOST_FILES: Final = 64
_DEEPEST: Final = 64
"""Parts of the longest path of a key; an option of a runtime handler has eight."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of containerd's configuration."""

    name: str
    document: dict[str, Any]
    lines: dict[Path, int]

    @property
    def version(self) -> int:
        """The version that the file says it has; 0 if it says none."""
        return version_of(self.document) if "version" in self.document else 0


def read_files(path: FilePath) -> list[File]:
    """Return the file and all that it imports, in the order in which containerd merges them.

    Raises ConfigError that says which of them cannot be read, and why.
    """
    pending = deque([(os.path.normpath(path), "")])
    files: dict[str, File] = {}
    while pending:
        name, parent = pending.popleft()
        if name in files:
            continue
        if len(files) == MOST_FILES:
            raise ConfigError([Problem(escaped(parent), 0, "imports", f"more than {MOST_FILES} files are imported")])
        files[name] = _read(name, parent)
        pending += [(each, name) for each in _imports(files[name])]
    return list(files.values())


def _read(name: str, parent: str) -> File:
    text = _text(name, parent)
    document = parse_document(text, escaped(name))
    file = File(name, document, lines_of(text))
    if max(map(len, file.lines), default=0) > _DEEPEST:
        raise ConfigError([Problem(escaped(name), 0, "", "its tables are nested too deeply")])
    if is_own(document):
        raise ConfigError([Problem(escaped(name), 0, "", "this is a configuration of cri-shim, not one of containerd")])
    if "version" in document and (type(document["version"]) is not int or not 0 <= document["version"] <= NEWEST):
        what = f"is not a version that cri-shim knows, which are 1 to {NEWEST}"
        raise ConfigError([Problem(escaped(name), file.lines.get(("version",), 0), "version", what)])
    return file


def _text(name: str, parent: str) -> str:
    imported = f", which {escaped(parent)} imports" if parent else ""
    try:
        # A pipe without a writer must not hold up the command.
        with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:  # noqa: PTH123 - a number
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise ConfigError([Problem(escaped(name), 0, "", f"is not a regular file{imported}")])
            data = opened.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError([Problem(escaped(name), 0, "", f"file not found{imported}")]) from None
    except IsADirectoryError:
        raise ConfigError([Problem(escaped(name), 0, "", f"is a directory{imported}")]) from None
    except OSError as error:
        raise ConfigError([Problem(escaped(name), 0, "", f"cannot be read: {error.strerror}{imported}")]) from None
    if len(data) > LARGEST:
        raise ConfigError([Problem(escaped(name), 0, "", f"is larger than {LARGEST} bytes{imported}")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(escaped(name), line, "", "not UTF-8, which TOML must be")]) from None


def _imports(file: File) -> list[str]:
    wanted = file.document.get("imports", [])
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        line = file.lines.get(("imports",), 0)
        raise ConfigError([Problem(escaped(file.name), line, "imports", "must be a list of strings")])
    paths: list[str] = []
    for each in wanted:
        if "\0" in each:
            line = file.lines.get(("imports",), 0)
            raise ConfigError([Problem(escaped(file.name), line, "imports", "a path holds a NUL character")])
        path = os.path.normpath(os.path.join(os.path.dirname(file.name), each))  # noqa: PTH118,PTH120 - as Go's Clean
        paths += _globbed(path) if "*" in path else [path]
    return paths


def _globbed(pattern: str) -> list[str]:
    """Return the matching paths by name; as with Go's ``filepath.Glob``, a star matches a leading dot too."""
    return sorted(glob.glob(pattern.replace("[^", "[!"), include_hidden=True))  # noqa: PTH207 - a path with a star
