"""Receive the kernel's process events (netlink, proc connector) until stdin is closed, and print a line for each.

For programs of their own, which have precedence over others so that they are not late. The lines are printed at the
end, so that nothing but the reading happens meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NETLINK_CONNECTOR: Final = 11
_PROC_GROUP: Final = 1
_LISTEN: Final = 1
_BUFFER: Final = 16 << 20
_SO_RCVBUFFORCE: Final = 33
_PRECEDENCE: Final = 1
_LONGEST: Final = 4096
_MESSAGE: Final = struct.Struct("=IHHII")
"""Netlink: length, type, flags, sequence number, port."""
_CONNECTOR: Final = struct.Struct("=IIIIHH")
"""Connector: index, value, sequence number, acknowledgment, length, flags."""
HEADS: Final = _MESSAGE.size + _CONNECTOR.size
"""Bytes before the event itself."""
READY: Final = "ready"
"""The line that is printed once events are received."""


def subscription() -> bytes:
    """Return the message that asks for all process events."""
    size = HEADS + 4
    head = _MESSAGE.pack(size, 3, 0, 0, os.getpid())
    return head + _CONNECTOR.pack(_PROC_GROUP, 1, 0, 0, 4, 0) + struct.pack("=I", _LISTEN)


def print_events(line: Callable[[bytes], str | None], lost: Callable[[], str]) -> None:
    """Print what ``line`` makes of each message, and ``lost()`` where the kernel had no room left for some of them."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRECEDENCE))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR) as events:
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        events.bind((0, _PROC_GROUP))
        events.send(subscription())
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        lines: list[str] = []
        while True:
            ready, _, _ = select.select([events, sys.stdin], [], [])
            if events not in ready:
                break  # stdin is closed, and all events are read
            try:
                printed = line(events.recv(_LONGEST))
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                printed = lost()
            if printed is not None:
                lines.append(printed)
        sys.stdout.write("\n".join(lines))
