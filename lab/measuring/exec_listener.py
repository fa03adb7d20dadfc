"""Print the arguments of each program that is executed on this machine, one JSON line each, until stdin is closed.

A trace of the scheduler has the program's file but not its arguments, which say what runc and the shim were run for.
The kernel reports each exec over netlink (proc connector), and the arguments are read from /proc. A program that ends
before that has no line; those for which arguments matter live for many milliseconds. This is a process of its own, with
precedence over others, so that it is not late.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Final, NamedTuple

_NETLINK_CONNECTOR: Final = 11
_PROC_GROUP: Final = 1
_LISTEN: Final = 1
_EXEC: Final = 2
_BUFFER: Final = 16 << 20
_SO_RCVBUFFORCE: Final = 33
_PRECEDENCE: Final = 1
_LONGEST: Final = 4096
_MESSAGE: Final = struct.Struct("=IHHII")
"""Netlink: length, type, flags, sequence number, port."""
_CONNECTOR: Final = struct.Struct("=IIIIHH")
"""Connector: index, value, sequence number, acknowledgment, length, flags."""
_EVENT: Final = struct.Struct("=IIQII")
"""Process event: kind, core, nanoseconds since the start, and for an exec its process id and thread group."""
_HEADS: Final = _MESSAGE.size + _CONNECTOR.size
READY: Final = "ready"


class Exec(NamedTuple):
    """A process executes another program; ``nanoseconds`` is CLOCK_MONOTONIC."""

    nanoseconds: int
    pid: int


def read_event(message: bytes) -> Exec | None:
    """Return the exec that a netlink message reports, or None for another event."""
    if len(message) < _HEADS + _EVENT.size:
        return None
    kind, _, nanoseconds, _, group = _EVENT.unpack_from(message, _HEADS)
    return Exec(nanoseconds, group) if kind == _EXEC else None


def subscription() -> bytes:
    """Return the message that asks for all process events."""
    size = _HEADS + 4
    head = _MESSAGE.pack(size, 3, 0, 0, os.getpid())
    return head + _CONNECTOR.pack(_PROC_GROUP, 1, 0, 0, 4, 0) + struct.pack("=I", _LISTEN)


def main() -> None:
    """Listen."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRECEDENCE))
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
            if seen := read_event(events.recv(_LONGEST)):
                with contextlib.suppress(OSError):
                    arguments = Path(f"/proc/{seen.pid}/cmdline").read_bytes().decode(errors="replace")
                    lines.append(json.dumps([seen.nanoseconds, seen.pid, arguments.split("\0")[:-1]]))
        sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
