"""The local HTTP listener: its port, and the moment at which it begins to answer.

It listens from the start, so that its address is known; aiohttp, which takes 12 MiB of memory, is loaded when the first
client connects. What is answered is in :mod:`cri_shim.hops.web`.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.hops.web import Site
    from cri_shim.hops.web_sources import WebSources

_BACKLOG = 32
ADDRESS_FILE = "http-address"
"""In the state directory: where the listener of the running daemon is, ``127.0.0.1:9735``."""

log = structlog.get_logger(__name__)


class Listener:
    """``address`` is ``HOST:PORT``, port 0 for any that is free; empty: there is no listener."""

    def __init__(self, address: str, state: Path, sources: WebSources) -> None:
        self._wanted = address
        self._file = state / ADDRESS_FILE
        self._sources = sources
        self._socket: socket.socket | None = None
        self._site: Site | None = None
        self._starting: asyncio.Task[None] | None = None
        self.address = ""
        """Where it listens; empty while it does not."""

    def bind(self) -> None:
        """Take the port. One that is taken is logged: pods are run all the same."""
        self._file.unlink(missing_ok=True)
        if not self._wanted:
            return
        host, _, port = self._wanted.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        except OSError as error:
            log.error("http.not_listening", address=self._wanted, error=error.strerror or str(error))
            return
        self._socket.setblocking(False)
        bound = self._socket.getsockname()
        self.address = f"[{bound[0]}]:{bound[1]}" if family is socket.AF_INET6 else f"{bound[0]}:{bound[1]}"
        self._file.write_text(f"{self.address}\n", encoding="ascii")
        asyncio.get_running_loop().add_reader(self._socket, self._first_client)
        log.info("http.listening", address=self.address)

    def _first_client(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._starting = asyncio.create_task(self._serve(self._socket), name="http-listener")

    async def _serve(self, bound: socket.socket) -> None:
        from cri_shim.hops.web import Site  # noqa: PLC0415 - aiohttp's 12 MiB

        self._site = Site(self._sources, bound.getsockname()[0])
        await self._site.start(bound)

    async def stop(self) -> None:
        """End all connections and let go of the port."""
        if self._starting is not None:
            await self._starting
        if self._site is not None:
            await self._site.stop()
        if self._socket is not None:
            if self._socket.fileno() >= 0:  # the site, once there was one, has closed it
                asyncio.get_running_loop().remove_reader(self._socket)
                self._socket.close()
            self._file.unlink(missing_ok=True)
