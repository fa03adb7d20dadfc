"""Measure how much longer a call takes through a tap: the same bytes go to an echo, with and without one."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Final

from lab.pod_starts.observed import Tapped, Taps

_CALLS: Final = 300
_REQUEST: Final = bytes(200)


def tap_cost_ms() -> float:
    """Return the milliseconds, as the difference of two medians."""
    with tempfile.TemporaryDirectory(prefix="tap-cost-") as name:
        direct, tapped = Path(name, "echo"), Path(name, "tap")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(direct))
            server.listen()
            threading.Thread(target=_echo, args=(server,), daemon=True).start()
            threading.Thread(target=_echo, args=(server,), daemon=True).start()
            with Taps([Tapped("client", "echo", str(tapped), str(direct))]):
                return _median_call_ms(tapped) - _median_call_ms(direct)


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def _median_call_ms(at: Path) -> float:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(at))
        durations = []
        for _ in range(_CALLS):
            began = time.perf_counter()
            client.sendall(_REQUEST)
            client.recv(4096)
            durations.append((time.perf_counter() - began) * 1000)
        return median(durations)
