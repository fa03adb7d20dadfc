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
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from cri_shim.config.containerd.key_case import usual_spellings
from cri_shim.config.containerd.recognise import AT_THE_TOP, NEWEST, is_own, version_of
from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.lines import lines_of
from cri_shim.config.toml_document import parse_document
from cri_shim.node_root import on_disk
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.config.lines import Path

LARGEST: Final = 1 << 20
"""Bytes of one file; containerd's complete default has some 8 KiB."""
MOST_FILES: Final = 64
_DEEPEST: Final = 64
"""Parts of the longest path of a key; an option of a runtime handler has eight."""
_ROOT: Final = FilePath("/")


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


def read_files(path: FilePath, line: int = 2, root: FilePath = _ROOT) -> list[File]:
    """Return the file and all that it imports, in the order in which containerd ``line``.x merges them. Blocks.

    All paths are those of the node whose file system begins at ``root``. Raises ConfigError that says which file cannot
    be read, and why.
    """
    name = str(path) if root == _ROOT else f"/{str(path).lstrip('/')}"
    pending = deque([(os.path.normpath(name), "")])
    files: dict[str, File] = {}
    while pending:
        name, parent = pending.popleft()
        if name in files:
            continue
        if len(files) == MOST_FILES:
            raise ConfigError([Problem(escaped(parent), 0, "imports", f"more than {MOST_FILES} files are imported")])
        files[name] = _read(name, parent, line, root)
        pending += [(each, name) for each in _imports(files[name], root)]
    return list(files.values())


def require_known_version(files: list[File]) -> None:
    """Raise ConfigError if a file is of a version whose keys are not known here."""
    for file in files:
        if file.version > NEWEST:
            raise ConfigError([_no_version(file)])


def _read(name: str, parent: str, line: int, root: FilePath) -> File:
    text = _text(name, parent, root)
    file = _spelled_usually(File(name, parse_document(text, escaped(name)), lines_of(text)), line)
    document = file.document
    if max(map(len, file.lines), default=0) > _DEEPEST:
        raise ConfigError([Problem(escaped(name), 0, "", "its tables are nested too deeply")])
    if is_own(document):
        raise ConfigError([Problem(escaped(name), 0, "", "this is a configuration of cri-shim, not one of containerd")])
    if "version" in document and (type(document["version"]) is not int or document["version"] < 0):
        raise ConfigError([_no_version(file)])
    return file


def _no_version(file: File) -> Problem:
    what = f"is not a version that cri-shim knows, which are 1 to {NEWEST}"
    return Problem(escaped(file.name), file.lines.get(("version",), 0), "version", what)


def _spelled_usually(file: File, line: int) -> File:
    """Return the file with the usual spelling of the keys at the top, and of what is read below them."""
    at_the_top = usual_spellings(file.document, AT_THE_TOP, line)
    document = _renamed(file.document, at_the_top)
    below = {}
    if isinstance(grpc := document.get("grpc"), dict):
        below = usual_spellings(grpc, ("address",), line)
        document["grpc"] = _renamed(grpc, below)
    lines: dict[Path, int] = {}
    for path, number in file.lines.items():
        first = at_the_top.get(str(path[0]), path[0])
        second = [below.get(str(part), part) if first == "grpc" else part for part in path[1:2]]
        lines[first, *second, *path[2:]] = number
    return File(file.name, document, lines)


def _renamed(table: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the table with other keys; one that has such a key already loses its value."""
    lost = set(names.values())
    return {names.get(key, key): value for key, value in table.items() if key not in lost}


def _text(name: str, parent: str, root: FilePath) -> str:
    imported = f", which {escaped(parent)} imports" if parent else ""
    try:
        # A pipe without a writer must not hold up the command.
        with open(os.open(_place(root, name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:  # noqa: PTH123 - a number
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


def _imports(file: File, root: FilePath) -> list[str]:
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
        paths += _globbed(path, root) if "*" in path else [path]
    return paths


def _globbed(pattern: str, root: FilePath) -> list[str]:
    """Return the matching paths by name; as with Go's ``filepath.Glob``, a star matches a leading dot too."""
    parts = pattern.replace("[^", "[!").split("/")
    plain = next(number for number, part in enumerate(parts) if any(sign in part for sign in "*?["))
    directory, rest = "/".join(parts[:plain]), "/".join(parts[plain:])
    start = _place(root, f"{directory}/" if plain else ".")
    names = sorted(glob.glob(rest, root_dir=start, include_hidden=True))  # noqa: PTH207 - a path with a star
    return [f"{directory}/{each}" if plain else each for each in names]


def _place(root: FilePath, name: str) -> FilePath:
    """Return where a file is; relative names begin at the working directory, which only this machine's own have."""
    return FilePath(name) if root == _ROOT else on_disk(root, name, follow=True)
