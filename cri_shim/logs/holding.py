"""The daemon's side of the FIFO holder (:mod:`cri_shim.logs.fifo_holder`): find, start and feed it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import structlog

from cri_shim.logs import fifo_holder

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.logs.fifo import FifoSet

log = structlog.get_logger(__name__)


class Holding:
    """Connects to the holder and keeps it up to date; a holder that has died is replaced and gets everything again.

    Without a holder, only the last output of containers that end while no daemon runs is lost. So a failure here is
    logged and never fails a container. Calls are short but enter the kernel; any thread may make them.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._connection: socket.socket | None = None
        self._wanted: dict[str, FifoSet] = {}
        self._holder: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # guards all of the above

    def hold(self, container_id: str, fifos: FifoSet) -> None:
        """Have the holder hold the reading ends of ``fifos`` from now on."""
        with self._lock:
            self._wanted[container_id] = fifos
            self._notify(container_id)

    def drop(self, container_id: str) -> None:
        """Have the holder close its descriptors of a container; one that is not held is fine."""
        with self._lock:
            if self._wanted.pop(container_id, None) is not None:
                self._notify(container_id)

    def close(self) -> None:
        """Close the connection; the holder goes on for as long as it has something to hold."""
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _notify(self, container_id: str) -> None:
        try:
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._send(self._connection, container_id)
                    return
                self._hang_up()
            self._connection = self._connect()
            for wanted in {container_id, *self._wanted}:
                self._send(self._connection, wanted)
        except OSError as error:
            log.warning("logs.holder_unreachable", error=str(error), container_id=container_id)
            self._hang_up()

    def _send(self, connection: socket.socket, container_id: str) -> None:
        fifos = self._wanted.get(container_id)
        if fifos is None:
            connection.send(f"drop {container_id}".encode())
            return
        stdout, stderr = fifos.open_readers()
        fds = [stdout] if stderr is None else [stdout, stderr]
        try:
            socket.send_fds(connection, [f"hold {container_id}".encode()], fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(self._path))
        except OSError:
            try:
                self._start()
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
        return connection

    def _start(self) -> None:
        """Start a holder, which gets a socket that listens already, so that no connection has to wait for it."""
        self._path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self._path))
            self._path.chmod(0o600)
            listener.listen()
            if self._holder is not None:
                self._holder.poll()  # reap it, if it was our child and has died
            self._holder = subprocess.Popen(
                [sys.executable, "-I", "-S", fifo_holder.__file__],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        log.info("logs.holder_started", pid=self._holder.pid)
