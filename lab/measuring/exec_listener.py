"""Print the arguments of each program that is executed on this machine, one JSON line each, until stdin is closed.

A trace of the scheduler has the program's file but not its arguments, which say what runc and the shim were run for.
The kernel reports each exec, and the arguments are read from /proc. A program that ends before that has no line; those
for which arguments matter live for many milliseconds.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from lab.measuring.process_connector import HEADS, print_events

_EXEC: Final = 2
_EVENT: Final = struct.Struct("=IIQII")
"""Process event: kind, core, nanoseconds since the start, and for an exec its process id and thread group."""


class Exec(NamedTuple):
    """A process executes another program; ``nanoseconds`` is CLOCK_MONOTONIC."""

    nanoseconds: int
    pid: int


def read_event(message: bytes) -> Exec | None:
    """Return the exec that a netlink message reports, or None for another event."""
    if len(message) < HEADS + _EVENT.size:
        return None
    kind, _, nanoseconds, _, group = _EVENT.unpack_from(message, HEADS)
    return Exec(nanoseconds, group) if kind == _EXEC else None


def _line(message: bytes) -> str | None:
    seen = read_event(message)
    if seen is None:
        return None
    try:
        arguments = Path(f"/proc/{seen.pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended
    return json.dumps([seen.nanoseconds, seen.pid, arguments.split("\0")[:-1]])


def _lost() -> NoReturn:
    """Give up: an account with programs missing would be wrong."""
    raise RuntimeError("the kernel had no room left for process events; measure on a machine that does less")


if __name__ == "__main__":
    print_events(_line, _lost)
