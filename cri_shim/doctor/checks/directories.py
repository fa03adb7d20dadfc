"""The daemon's own directories: that they can be used, and that they have space."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

UNUSABLE = Code(
    "directory-unusable",
    "error",
    "root, state, or the socket's directory or path cannot be used",
    "root, state, and the socket's directory and path can be used",
)
FULL = Code("disk-full", "error", "a file system has no space or no inodes left", "no file system is full")
NEARLY_FULL = Code(
    "disk-nearly-full",
    "warning",
    "a file system has less than 10 % of space or 5 % of inodes left, below which a kubelet evicts pods",
    "all file systems have space and inodes",
)
CODES: Final = (UNUSABLE, FULL, NEARLY_FULL)

_LEAST_BYTES: Final = 16 << 20
_LEAST_INODES: Final = 100
_NEARLY_BYTES: Final = 0.10
_NEARLY_INODES: Final = 0.05


class Directory(Struct, frozen=True):
    """A directory, or what is there instead. ``obstacle`` is empty if it can be used, or made."""

    key: str
    path: str
    obstacle: str = ""
    device: int = 0
    free: int = 0
    size: int = 0
    free_inodes: int = 0
    inodes: int = 0
    """0 for a file system that does not count them."""
    thing: str = "a directory"
    """What is to be made there."""
    reason: str = ""
    """Why nothing is known about its space."""


def read_directories(directories: Iterable[tuple[str, str]], place: Place) -> list[Directory]:
    """Read the directories, given by setting and path. Blocks."""
    return [_directory(key, path, place) for key, path in directories]


def read_socket(path: str, place: Place) -> Directory:
    """Read the socket's directory, and whether something other than a socket is at ``path``. Blocks."""
    directory = _directory("socket_path", os.path.dirname(path), place)  # noqa: PTH120 - a text
    if directory.obstacle or directory.reason:
        return directory
    try:
        mode = place.at(path).lstat().st_mode
    except FileNotFoundError:
        return directory
    except OSError as error:
        return Directory("socket_path", path, reason=reason_of(error))
    if stat.S_ISSOCK(mode):
        return directory
    state = "is a symbolic link" if stat.S_ISLNK(mode) else "exists"
    return replace(directory, path=path, thing="a socket", obstacle=f"{path} {state}, and is not a socket")


def _directory(key: str, path: str, place: Place) -> Directory:
    here = place.at(path)
    try:
        status, nearest = _nearest(here)
        if not stat.S_ISDIR(status.st_mode):
            return Directory(key, path, obstacle=f"{nearest} is not a directory")
        space = os.statvfs(nearest)
    except OSError as error:
        said = f"{error.filename or path}: {(error.strerror or str(error)).lower()}"
        if error.errno in {errno.EACCES, errno.EPERM}:
            return Directory(key, path, reason=said)
        return Directory(key, path, obstacle=said)
    obstacle = f"{nearest} is on a file system that is mounted read-only" if space.f_flag & os.ST_RDONLY else ""
    return Directory(
        key,
        path,
        obstacle,
        status.st_dev,
        space.f_bavail * space.f_frsize,
        space.f_blocks * space.f_frsize,
        space.f_favail,
        space.f_files,
    )


def _nearest(path: Path) -> tuple[os.stat_result, Path]:
    """Return the path, or the nearest of its parents that exists."""
    for each in (path, *path.parents):
        try:
            return each.stat(), each
        except (FileNotFoundError, NotADirectoryError) as error:
            if each.is_symlink():  # no directory can be made in its place
                raise OSError(error.errno, "a symbolic link to nothing", str(each)) from error
    return Path("/").stat(), Path("/")


def judge_usable(directories: Iterable[Directory], place: Place) -> Iterator[Outcome]:
    """Judge whether the daemon can use its directories."""
    for directory in directories:
        if directory.obstacle:
            yield UNUSABLE.report(
                f"{directory.key} = {directory.path} cannot be used: {directory.obstacle}",
                f"make room for {directory.thing} there, or set another {directory.key} in the configuration",
            )
        elif directory.reason:
            yield UNUSABLE.unknown(f"{directory.key} cannot be looked at: {directory.reason}", place.sudo())


def judge_space(directories: Iterable[Directory]) -> Iterator[Outcome]:
    """Judge the space, once for each file system."""
    seen: set[int] = set()
    for directory in directories:
        if directory.obstacle or directory.reason or directory.device in seen or not directory.size:
            continue
        seen.add(directory.device)
        yield from _space(directory)


def _space(directory: Directory) -> Iterator[Outcome]:
    space = (directory.free, directory.size, _LEAST_BYTES, _NEARLY_BYTES)
    inodes = (directory.free_inodes, directory.inodes, _LEAST_INODES, _NEARLY_INODES)
    for what, command, (free, size, least, share) in (("space", "df -h", space), ("inodes", "df -i", inodes)):
        if not size:
            continue
        shown = f"{free >> 20} MiB" if what == "space" else f"{free} inodes"
        said = f"the file system of {directory.path} has {shown} left ({100 * free // size} %)"
        remedy = (
            "remove what is not needed, unused images first:",
            f"$ crictl rmi --prune; {command} {directory.path}",
        )
        if free < least:
            yield FULL.report(said, *remedy)
        elif free < share * size:
            yield NEARLY_FULL.report(said, *remedy)
