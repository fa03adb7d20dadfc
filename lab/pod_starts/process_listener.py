"""Print each process that is made, each program that is executed and each end, until stdin is closed.

The kernel reports them with its own clock; what a program was executed with is read from /proc at once. A program that
ends before that has a line without arguments.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from pathlib import Path
from typing import Any, Final

from lab.measuring.process_connector import HEADS, print_events

_FORK, _EXEC, _EXIT = 1, 2, 0x80000000
_OWN_MOUNTS: Final = os.readlink("/proc/self/ns/mnt")
LOST: Final = "lost"
_EVENT: Final = struct.Struct("=IIQIIII")
"""Kind, core, nanoseconds of CLOCK_MONOTONIC, and four numbers whose meaning depends on the kind."""


def read_event(message: bytes) -> list[Any] | None:
    """Return ``["fork", ns, child, parent]``, ``["exec", ns, pid]`` or ``["exit", ns, pid]``; None for a thread's."""
    if len(message) < HEADS + _EVENT.size:
        return None
    kind, _, nanoseconds, first, second, third, fourth = _EVENT.unpack_from(message, HEADS)
    if kind == _FORK and third == fourth:
        return ["fork", nanoseconds, fourth, second]
    if kind == _EXEC:
        return ["exec", nanoseconds, second]
    if kind == _EXIT and first == second:
        return ["exit", nanoseconds, second]
    return None


def describe(pid: int) -> list[Any]:
    """Return what /proc still has of a program: its file, its arguments, its CNI command, and whether it is inside.

    Inside is a mount namespace that is not this process's own, which a container's programs have.
    """
    place = Path(f"/proc/{pid}")
    program, arguments, command, inside = "", [], "", False
    with contextlib.suppress(OSError):
        arguments = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        program = os.readlink(place / "exe")
        inside = os.readlink(place / "ns" / "mnt") != _OWN_MOUNTS
        environment = (place / "environ").read_bytes().split(b"\0")
        command = next((one[12:].decode() for one in environment if one.startswith(b"CNI_COMMAND=")), "")
    return [program, arguments, command, inside]


def _line(message: bytes) -> str | None:
    event = read_event(message)
    if event is None:
        return None
    return json.dumps([*event, *describe(event[2])] if event[0] == "exec" else event)


def _lost() -> str:
    return json.dumps([LOST, time.monotonic_ns()])


if __name__ == "__main__":
    print_events(_line, _lost)
