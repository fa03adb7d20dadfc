"""The local HTTP listener: its port or socket, and the moment at which it begins to answer.

It listens from the start, so that its address is known. aiohttp, which takes 12 MiB of memory, is loaded when the first
client connects. :mod:`cri_shim.explorer.web` answers the requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.kernel.file_lock import FileLock
from cri_shim.kernel.unix_socket import identity, listen
from cri_shim.kernel.write_file import write_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.explorer.web import Site
    from cri_shim.explorer.web_sources import WebSources

BACKLOG: Final = 32
SOCKET_MODE: Final = 0o660
POLL_SECONDS: Final = 1.0
"""Seconds between two checks whether the file of a unix socket still exists."""
UNIX: Final = "unix://"
ADDRESS_FILE: Final = "http-address"
"""The file in the state directory that holds the running listener's address, ``127.0.0.1:9735`` or ``unix:///path``."""

log = structlog.get_logger(__name__)


class HttpListener:
    """The listener at ``address``: ``HOST:PORT`` (port 0 for any free one) or ``unix://PATH``.

    An empty address means none. ``on_change`` gets the address and the reason why there is none.
    """

    def __init__(
        self, address: str, state: Path, sources: WebSources, on_change: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self._wanted = address
        self._path = address.removeprefix(UNIX) if address.startswith(UNIX) else ""
        self._file = state / ADDRESS_FILE
        self._sources = sources
        self._on_change = on_change
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._site: Site | None = None
        self._starting: asyncio.Task[None] | None = None
        self._held = contextlib.ExitStack()
        """The lock beside a unix socket, and the directories that were made for both: they go when it is closed."""
        self.address = ""
        """Where it listens; empty while it does not."""

    def bind(self) -> None:
        """Bind the port or make the socket; a failure is logged, because pods run without the listener too."""
        self._file.unlink(missing_ok=True)
        if not self._wanted:
            return
        try:
            if self._path:
                self._make_directories()
                self._held.enter_context(FileLock(f"{self._path}.lock", removed=True))
            self._listen()
        except OSError as error:
            self._held.close()
            self._failed(error)
            return
        try:
            write_file(self._file, os.fsencode(f"{self.address}\n"))
        except OSError as error:
            self._file.unlink(missing_ok=True)
            log.warning("http.address_not_written", address=self.address, error=str(error))
        log.info("http.listening", address=self.address)

    def _listen(self) -> None:
        """Open the socket, and wait for the first client unless there was one."""
        bound = listen(self._path, SOCKET_MODE, BACKLOG) if self._path else _on_port(self._wanted)
        self._identity = identity(self._path) if self._path else None
        self._socket = bound
        self.address = self._wanted if self._path else _host_and_port(bound)
        self._on_change(self.address, "")
        asyncio.get_running_loop().add_reader(bound, self._first_client)

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        log.error("http.not_listening", address=self._wanted, error=reason)
        self._on_change("", f"it cannot listen at {self._wanted}: {reason}")

    def _first_client(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._starting = asyncio.create_task(self._serve(self._socket), name="http-listener")

    async def _serve(self, bound: socket.socket) -> None:
        from cri_shim.explorer.web import Site  # noqa: PLC0415 - aiohttp's 12 MiB

        if self._site is None:
            self._site = Site(self._sources, "" if self._path else bound.getsockname()[0])
        await self._site.serve(bound)

    async def watch(self) -> None:
        """Make the unix socket again whenever its file is deleted, until cancelled."""
        complained = False
        while self._path and self.address:
            await asyncio.sleep(POLL_SECONDS)
            if self._socket is not None and identity(self._path) == self._identity:
                continue
            await self._release()
            try:
                self._make_directories()
                self._listen()
            except OSError as error:
                if not complained:
                    self._failed(error)
                complained = True
            else:
                log.warning("http.socket_remade", address=self.address)
                complained = False
        await asyncio.Event().wait()

    async def _release(self) -> None:
        """Stop listening; connections that exist go on."""
        if self._starting is not None:
            await self._starting
            self._starting = None
        if self._site is not None:
            self._site.release()
        if self._socket is not None and self._socket.fileno() >= 0:  # the site, once there was one, has closed it
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._socket = None

    async def stop(self) -> None:
        """End all connections and free the port; a unix socket is removed unless another one has taken its path."""
        bound, self.address = bool(self.address), ""
        await self._release()
        if self._site is not None:
            await self._site.stop()
        if bound:
            self._file.unlink(missing_ok=True)
            self._remove_socket()
        self._held.close()

    def _make_directories(self) -> None:
        """Make the directories of the socket that are missing; those that are empty at the end go again."""
        parent = Path(self._path).parent
        for missing in reversed([one for one in (parent, *parent.parents) if not one.exists()]):
            missing.mkdir(exist_ok=True, mode=0o755)
            self._held.callback(_remove_empty, missing)

    def _remove_socket(self) -> None:
        if self._path and identity(self._path) == self._identity:
            Path(self._path).unlink(missing_ok=True)


def _remove_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):  # others use it, or have removed it
        directory.rmdir()


def _on_port(address: str) -> socket.socket:
    host, _, digits = address.rpartition(":")
    host, port = host.strip("[]"), int(digits)
    if not host or not 0 <= port < 1 << 16:  # without a host, the whole network could connect
        raise ValueError(f"{address} is not an address and a port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=BACKLOG)
    bound.setblocking(False)
    return bound


def _host_and_port(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family is socket.AF_INET6 else f"{host}:{port}"
