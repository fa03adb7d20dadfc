"""Carry a SPDY session inside binary WebSocket messages (client-go tools/portforward, tunneling connection)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiohttp import WSMsgType

from cri_shim.streaming.link import WRITE_HIGH, hung_up
from cri_shim.streaming.remote import ClientGoneError

if TYPE_CHECKING:
    from aiohttp.web_ws import WebSocketResponse

    from cri_shim.streaming.spdy_session import SpdySession


class TunnelLink:
    """The :class:`~.link.Link` of a session inside a WebSocket; :meth:`run` carries its bytes."""

    def __init__(self, socket: WebSocketResponse, transport: asyncio.Transport | None, session: SpdySession) -> None:
        self._socket = socket
        self._transport = transport
        self._session = session
        self._waiting = bytearray()
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._go_on = asyncio.Event()
        self._go_on.set()
        self._closing = False
        self._lost = False

    async def run(self) -> None:
        """Carry bytes until either end closes."""
        sender = asyncio.create_task(self._send())
        receiver = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lost = True
            self._sent.set()
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
            self._session.lost()
        await self._socket.close()

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type != WSMsgType.BINARY:
                return
            self._session.feed(message.data)
            await self._go_on.wait()

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                data, self._waiting = self._waiting, bytearray()
                if data:
                    await self._socket.send_bytes(bytes(data))
                self._sent.set()
                if self._closing and not self._waiting:
                    return

    @property
    def backlog(self) -> int:
        """See Link."""
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        """See Link."""
        if not self._lost:
            self._waiting += data
            self._wake.set()

    async def drain(self) -> None:
        """See Link."""
        await asyncio.sleep(0)
        while len(self._waiting) > WRITE_HIGH and not self._lost:
            self._sent.clear()
            await self._sent.wait()
        if self._lost:
            raise ClientGoneError("the client has closed the connection")

    def hold(self, holding: bool) -> None:
        """See Link."""
        if holding:
            self._go_on.clear()
        else:
            self._go_on.set()

    def hung_up(self) -> bool:
        """See Link."""
        return hung_up(self._transport)

    def close(self) -> None:
        """See Link."""
        self._closing = True
        self._wake.set()

    def abort(self) -> None:
        """See Link."""
        self._waiting.clear()
        self.close()
