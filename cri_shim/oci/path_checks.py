"""Paths that a request or an image names, held to what the kernel takes of any path."""

from __future__ import annotations

from typing import Final

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

LONGEST_PATH: Final = 4095
"""Bytes of a path (PATH_MAX less its end)."""
LONGEST_COMPONENT: Final = 255
"""Bytes of one name in a path (NAME_MAX)."""
LONGEST_VALUE: Final = 4096
"""Bytes of a value for a file of /proc/sys or of a cgroup: a page. OCI runtimes repeat it in their errors."""


def path_problem(path: str) -> str:
    """Return why no file can have this path, to follow its name in a sentence; empty when one can."""
    size = len(path.encode())
    if size > LONGEST_PATH:
        return f"has {size} bytes; a path has at most {LONGEST_PATH}"
    if "\0" in path:
        return "contains a NUL character, which ends a path"
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > LONGEST_COMPONENT:
        return f"has a component of {longest} bytes; the kernel takes {LONGEST_COMPONENT}"
    return ""


def check_path(what: str, path: str, *, absolute: bool = True) -> None:
    """Refuse a path that no file can have, and unless allowed a relative one, with InvalidArgumentError.

    ``what`` says whose path it is, as in ``host_path of the mount at '/data'``.
    """
    problem = path_problem(path)
    if not problem and absolute and not path.startswith("/"):
        problem = "is relative; it must be absolute"
    if problem:
        raise InvalidArgumentError(f"{what} '{escaped(path)}' {problem}")


def check_value(what: str, value: str) -> None:
    """Refuse a value that is longer than a file of the kernel takes at once, with InvalidArgumentError."""
    size = len(value.encode())
    if size > LONGEST_VALUE:
        raise InvalidArgumentError(f"{what} has {size} bytes; at most {LONGEST_VALUE} are allowed")


def leads_out(path: str) -> bool:
    """Return whether a path has a ``..`` in it, and so may end outside of the directory that it starts in."""
    return ".." in path.split("/")
