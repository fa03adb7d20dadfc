"""Print each process that is made, each program that is executed and each end, until stdin is closed.

The kernel reports them over netlink (proc connector) with its own clock; what a program was executed with is read from
/proc at once. A program that ends before that has a line without arguments. The lines are printed at the end, so that
nothing but the reading happens meanwhile. This is a process of its own, with precedence over others.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, Final

from lab.measuring.exec_listener import READY, subscription

_NETLINK_CONNECTOR: Final = 11
_PROC_GROUP: Final = 1
_FORK, _EXEC, _EXIT = 1, 2, 0x80000000
_BUFFER: Final = 16 << 20
_SO_RCVBUFFORCE: Final = 33
_LONGEST: Final = 4096
_OWN_MOUNTS: Final = os.readlink("/proc/self/ns/mnt")
LOST: Final = "lost"
_HEADS: Final = 16 + 20
"""Bytes of the heads of netlink and of the connector."""
_EVENT: Final = struct.Struct("=IIQIIII")
"""Kind, core, nanoseconds of CLOCK_MONOTONIC, and four numbers whose meaning depends on the kind."""


def read_event(message: bytes) -> list[Any] | None:
    """Return ``["fork", ns, child, parent]``, ``["exec", ns, pid]`` or ``["exit", ns, pid]``; None for a thread's."""
    if len(message) < _HEADS + _EVENT.size:
        return None
    kind, _, nanoseconds, first, second, third, fourth = _EVENT.unpack_from(message, _HEADS)
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


def main() -> None:
    """Listen."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR) as events:
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        events.bind((0, _PROC_GROUP))
        events.send(subscription())
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        lines = []
        while True:
            ready, _, _ = select.select([events, sys.stdin], [], [])
            if events not in ready:
                break  # stdin is closed, and all events are read
            try:
                event = read_event(events.recv(_LONGEST))
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                event = [LOST, time.monotonic_ns()]  # the kernel had no room left for some of them
            if event is not None:
                lines.append(json.dumps([*event, *describe(event[2])] if event[0] == "exec" else event))
        sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
