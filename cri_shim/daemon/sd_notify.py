"""Tell systemd how the daemon is: ready, stopping, alive, busy with what (``sd_notify(3)``).

The protocol is one datagram of ``KEY=value`` lines to the socket named in ``NOTIFY_SOCKET``; a leading ``@`` means an
abstract socket. Outside of systemd the variable is missing and every call here does nothing. Nothing here ever
raises: a daemon must not fail because its manager does not listen.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

# A full queue at the manager must not hold the event loop for longer.
_SEND_TIMEOUT = 1.0


class Notifier:
    """The connection to the service manager; without an ``address`` it is silent.

    ``watchdog_seconds`` is the time within which systemd wants a sign of life, 0 for never.
    """

    def __init__(self, address: str = "", *, watchdog_seconds: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds if address else 0.0

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Notifier:
        """The manager that started this process.

        Takes the variables out of ``environ``, so that CNI plugins and other children do not speak for the daemon.
        """
        variables = os.environ if environ is None else environ
        address = variables.pop("NOTIFY_SOCKET", "")
        microseconds = variables.pop("WATCHDOG_USEC", "")
        process = variables.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")):  # also vsock:, which only virtual machines' managers use
            return cls()
        meant = process in {"", str(os.getpid())}
        seconds = int(microseconds) / 1e6 if meant and microseconds.isascii() and microseconds.isdigit() else 0.0
        return cls(address, watchdog_seconds=seconds)

    def ready(self, status: str = "") -> bool:
        """Start-up is over: the socket answers."""
        return self._send(READY="1", STATUS=status)

    def stopping(self, status: str = "") -> bool:
        """Shutdown has begun."""
        return self._send(STOPPING="1", STATUS=status)

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(STATUS=text)

    def watchdog(self) -> bool:
        """A sign of life."""
        return self._send(WATCHDOG="1")

    def extend_timeout(self, seconds: float) -> bool:
        """Start-up or shutdown may take ``seconds`` more from now on."""
        return self._send(EXTEND_TIMEOUT_USEC=str(round(seconds * 1e6)))

    async def feed_watchdog(self) -> None:
        """Give signs of life from the event loop, twice as often as asked, until cancelled.

        It runs on the loop on purpose: a loop that is stuck shall be found. Returns at once when nobody asks for it.
        """
        while self.watchdog_seconds > 0:
            self.watchdog()
            await asyncio.sleep(self.watchdog_seconds / 2)

    def _send(self, **fields: str) -> bool:
        """Send the fields that are not empty; False when nobody could be told."""
        if not self._address:
            return False
        lines = [f"{name}={' '.join(value.split())}" for name, value in fields.items() if value]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_TIMEOUT)
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):
            return False
        return True
