"""Check paths of a request or an image against the limits of the kernel."""

from __future__ import annotations

from typing import Final

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

LONGEST_PATH: Final = 4095
"""Bytes of a path (PATH_MAX without the final NUL)."""
LONGEST_COMPONENT: Final = 255
"""Bytes of one name in a path (NAME_MAX)."""
LONGEST_VALUE: Final = 4096
"""Bytes of a value for a file of /proc/sys or of a cgroup: one page. OCI runtimes quote the value in their errors."""


def path_problem(path: str) -> str:
    """Return why a file cannot have this path, as the rest of a sentence about it; empty if it can."""
    size = len(path.encode())
    if size > LONGEST_PATH:
        return f"has {size} bytes; a path has at most {LONGEST_PATH}"
    if "\0" in path:
        return "contains a NUL character, which ends a path"
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > LONGEST_COMPONENT:
        return f"has a component of {longest} bytes; the kernel allows {LONGEST_COMPONENT}"
    return ""


def check_path(what: str, path: str, *, absolute: bool = True) -> None:
    """Check a path, which must be absolute unless ``absolute`` is false; raises InvalidArgumentError.

    ``what`` names the path in the error, as in ``host_path of the mount at '/data'``.
    """
    problem = path_problem(path)
    if not problem and absolute and not path.startswith("/"):
        problem = "is relative; it must be absolute"
    if problem:
        raise InvalidArgumentError(f"{what} '{escaped(path)}' {problem}")


def check_value(what: str, value: str) -> None:
    """Check that a value is short enough for a file of the kernel; raises InvalidArgumentError."""
    size = len(value.encode())
    if size > LONGEST_VALUE:
        raise InvalidArgumentError(f"{what} has {size} bytes; at most {LONGEST_VALUE} are allowed")


def leads_out(path: str) -> bool:
    """Return whether a path contains ``..`` and so may end outside the directory that it starts in."""
    return ".." in path.split("/")
