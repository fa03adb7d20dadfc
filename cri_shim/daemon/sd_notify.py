"""Report the daemon's state to systemd: ready, reloading, stopping, alive (``sd_notify(3)``).

The protocol is one datagram of ``KEY=value`` lines to the socket named in ``NOTIFY_SOCKET``; a leading ``@`` means an
abstract socket. Outside systemd the variable is missing and every call here does nothing. Nothing here ever raises,
because a daemon must not fail when its service manager does not listen.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_LONGEST_VALUE = 1024  # bytes; systemd ignores messages of more than 4096, and with them the READY=1 in them
_LONGEST_NUMBER = 20  # digits; systemd's numbers have 64 bits
_SHORTEST_INTERVAL = 0.01  # seconds; a shorter one would leave no time for anything else
# The longest that a full queue at the manager may block the event loop, in seconds.
_SEND_TIMEOUT = 1.0


class Notifier:
    """The connection to the service manager; without an ``address`` it sends nothing.

    ``watchdog_seconds`` is the interval within which systemd wants a sign of life, 0 for never.
    """

    def __init__(self, address: str = "", *, watchdog_seconds: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds if address else 0.0

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Notifier:
        """Return the notifier for the manager that started this process.

        This removes the variables from ``environ``, so that CNI plugins and other children do not speak for the daemon.
        """
        variables = os.environ if environ is None else environ
        address = variables.pop("NOTIFY_SOCKET", "")
        microseconds = variables.pop("WATCHDOG_USEC", "")
        process = variables.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")):  # also vsock:, which only virtual machines' managers use
            return cls()
        meant = process in {"", str(os.getpid())}
        readable = microseconds.isascii() and microseconds.isdigit() and len(microseconds) <= _LONGEST_NUMBER
        return cls(address, watchdog_seconds=int(microseconds) / 1e6 if meant and readable else 0.0)

    def ready(self, status: str = "") -> bool:
        """Report that start-up is over: the socket answers."""
        return self._send(READY="1", STATUS=status)

    def reloading(self) -> bool:
        """Report that the configuration is being read again; :meth:`ready` reports that this is over.

        systemd takes the time (since 253, for ``Type=notify-reload``) to tell this message from an earlier one.
        """
        return self._send(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def stopping(self, status: str = "") -> bool:
        """Report that shutdown has begun."""
        return self._send(STOPPING="1", STATUS=status)

    def status(self, text: str) -> bool:
        """Set the one line that ``systemctl status`` shows."""
        return self._send(STATUS=text)

    def watchdog(self) -> bool:
        """Send a sign of life."""
        return self._send(WATCHDOG="1")

    async def feed_watchdog(self) -> None:
        """Send signs of life from the event loop, twice as often as required, until cancelled.

        This runs on the event loop on purpose, so that the watchdog notices a loop that is stuck. It returns at once if
        no watchdog is configured.
        """
        while self.watchdog_seconds > 0:
            self.watchdog()
            await asyncio.sleep(max(self.watchdog_seconds / 2, _SHORTEST_INTERVAL))

    def _send(self, **fields: str) -> bool:
        """Send the fields that are not empty; return False if they could not be sent."""
        if not self._address:
            return False
        lines = [f"{name}=".encode() + _one_line(value) for name, value in fields.items() if value]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_TIMEOUT)
                sender.sendto(b"\n".join(lines), self._address)
        except (OSError, ValueError):
            return False
        return True


def _one_line(value: str) -> bytes:
    line = " ".join(value.split()).encode("utf-8", "replace")
    return line if len(line) <= _LONGEST_VALUE else line[:_LONGEST_VALUE].decode(errors="ignore").encode() + b"..."
