"""Stand between clients and a server on unix sockets, copy all bytes, and note when they came: ``tap NAME=IN:OUT …``.

Nothing is changed, and nothing delayed beyond the copying, which :mod:`lab.pod_starts.tap_cost` measures. What was
noted is written to stdout when stdin is closed: lines of ``[name, connection, "out" or "in", nanoseconds, base64]``.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Final

READY: Final = "ready"
_CHUNK: Final = 1 << 20


@dataclass(slots=True)
class Tap:
    """One pair of sockets; ``chunks`` are (connection, direction, CLOCK_MONOTONIC, bytes)."""

    name: str
    listens_at: str
    leads_to: str
    chunks: list[tuple[int, str, int, bytes]] = field(default_factory=list)

    def listen(self) -> None:
        """Listen, and serve from a thread of its own."""
        server = socket.socket(socket.AF_UNIX)
        server.bind(self.listens_at)
        server.listen(64)
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()

    def _serve(self, server: socket.socket) -> None:
        for number in itertools.count():
            client, _ = server.accept()
            upstream = socket.socket(socket.AF_UNIX)
            try:
                upstream.connect(self.leads_to)
            except OSError:  # the server is not there yet, and the client will come again
                client.close()
                upstream.close()
                continue
            for direction, source, target in (("out", client, upstream), ("in", upstream, client)):
                arguments = (number, direction, source, target)
                threading.Thread(target=self._copy, args=arguments, daemon=True).start()

    def _copy(self, number: int, direction: str, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self.chunks.append((number, direction, time.monotonic_ns(), data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def main() -> None:
    """Serve until stdin is closed."""
    taps = []
    for argument in sys.argv[1:]:
        name, _, sockets = argument.partition("=")
        listens_at, _, leads_to = sockets.partition(":")
        taps.append(Tap(name, listens_at, leads_to))
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for tap in taps:
        tap.listen()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    sys.stdin.read()
    for tap in taps:
        for number, direction, nanoseconds, data in list(tap.chunks):
            line = [tap.name, number, direction, nanoseconds, base64.b64encode(data).decode()]
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
