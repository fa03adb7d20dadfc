"""Find programs where another process would find them, without running anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.files import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.doctor.facts.place import Place


_OF_SERVICES: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""What systemd puts into PATH where a unit has none (systemd.exec(5))."""


class Searched(Struct, frozen=True):
    """The result of a search: the program's path, or an obstacle; both are empty if there is no such file."""

    path: str = ""
    obstacle: str = ""
    forbidden: bool = False
    """Whether the obstacle is one that only this user has: root may see the program."""


def search(name: str, directories: Sequence[str], place: Place) -> Searched:
    """Return where a program is; a file that cannot be executed is an obstacle only if no later directory has one.

    Blocks.
    """
    obstacle, forbidden = "", False
    for directory in directories if "/" not in name else ("",):
        path = f"{directory}/{name}" if directory else name
        try:
            status = place.at(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            forbidden = forbidden or (isinstance(error, PermissionError) and not place.is_root)
            obstacle = obstacle or f"{path}: {(error.strerror or str(error)).lower()}"
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            return Searched(path)
        obstacle = obstacle or f"{path} is {'not executable' if stat.S_ISREG(status.st_mode) else 'not a file'}"
    return Searched(obstacle=obstacle, forbidden=forbidden)


def path_of_process(pid: int, place: Place) -> tuple[str, ...] | None:
    """Return the directories of PATH of a process; None if only its owner may know. Blocks."""
    try:
        environment = text_of(place.proc / str(pid) / "environ")
    except PermissionError:
        return None
    variables = dict(entry.split("=", 1) for entry in (environment or "").split("\0") if "=" in entry)
    return directories_in(variables["PATH"]) if "PATH" in variables else None


def usual_path() -> tuple[str, ...]:
    """Return the directories of this process's PATH, then those that services have: a user's PATH has no sbin."""
    return tuple(dict.fromkeys((*directories_in(os.environ.get("PATH", "")), *_OF_SERVICES)))


def directories_in(path: str) -> tuple[str, ...]:
    """Return the directories that a PATH names."""
    return tuple(directory for directory in path.split(":") if directory)


def folder_of_program(pid: int, place: Place) -> str:
    """Return the directory of the program that a process runs; empty if only its owner may know. Blocks."""
    try:
        return str(Path((place.proc / str(pid) / "exe").readlink()).parent)
    except OSError:
        return ""
