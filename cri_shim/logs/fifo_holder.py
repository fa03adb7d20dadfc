"""A small process that keeps containers' FIFOs open while no daemon does.

The kernel discards the content of a FIFO when its last descriptor is closed. A container's shim holds both ends while
the container lives, so output waits there for a daemon that is being restarted. When the container ends meanwhile, the
shim closes its ends, and the last output of the container would be lost. So this process holds the reading ends too. It
reads nothing. It outlives the daemon that started it, the next daemon finds it again, and it exits when no daemon is
connected and nothing worth holding is left.

It runs as a program of its own with the bare interpreter (``python fifo_holder.py``, a listening socket as standard
input), so it imports the standard library only.

Messages (SOCK_SEQPACKET, one each): ``hold ID`` with descriptors attached, ``drop ID``.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
from pathlib import Path

POLL_MS = 2000
"""How often, in milliseconds, the holder checks its FIFOs while no daemon is connected; it then closes those that were
removed, and those that are empty and have no writer.
"""

_MESSAGE_BYTES = 512
_MOST_FDS = 4


class Holder:
    """The FIFOs that are held, by container id, and the daemons that are connected."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._daemons: dict[int, socket.socket] = {}
        self._held: dict[str, list[int]] = {}

    def run(self) -> None:
        """Serve until no daemon is connected and nothing is held."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        met_one = False
        while self._daemons or self._held or not met_one:
            for fd, _ in poll.poll(None if self._daemons else POLL_MS):
                if fd == self._listener.fileno():
                    daemon, _ = self._listener.accept()
                    self._daemons[daemon.fileno()] = daemon
                    poll.register(daemon, select.POLLIN)
                    met_one = True
                elif not self._message(self._daemons[fd]):
                    poll.unregister(fd)
                    self._daemons.pop(fd).close()
            if not self._daemons:
                self._release_the_useless()

    def _message(self, daemon: socket.socket) -> bool:
        """Handle one message; return False when the daemon has hung up."""
        try:
            data, fds, _, _ = socket.recv_fds(daemon, _MESSAGE_BYTES, _MOST_FDS)
        except OSError:
            return False
        if not data:
            return False
        verb, _, id_ = data.decode(errors="replace").partition(" ")
        self._drop(id_)
        if verb == "hold":
            self._held[id_] = list(fds)
        return True

    def _drop(self, id_: str) -> None:
        for fd in self._held.pop(id_, ()):
            os.close(fd)

    def _release_the_useless(self) -> None:
        for id_, fds in list(self._held.items()):
            if not any(_worth_holding(fd) for fd in fds):
                self._drop(id_)


def _worth_holding(fd: int) -> bool:
    """Return whether a FIFO still has a name, and has a writer or content."""
    if os.fstat(fd).st_nlink == 0:
        return False
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    events = dict(poll.poll(0)).get(fd, 0)
    return bool(events & select.POLLIN) or not events & select.POLLHUP


def main() -> int:
    """Hold FIFOs until there is nothing left to hold."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.socket(fileno=os.dup(0))
    path = listener.getsockname()
    Holder(listener).run()
    Path(path).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
