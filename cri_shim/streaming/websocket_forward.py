"""Port-forward over the WebSocket channels: each port is one connection with two channels, data and error.

The ports come with the request; the first message on each channel is the port's number (kubelet, portforward
websocket.go). The protocol has no message that ends one connection, so one that has ended just falls silent.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import WSMsgType

from cri_shim.status_text import status_text
from cri_shim.streaming.channels import ChannelCodec, ChannelData, ChannelError
from cri_shim.streaming.inbox import Inbox
from cri_shim.streaming.port_forward import carry
from cri_shim.streaming.remote import ClientGoneError

if TYPE_CHECKING:
    from aiohttp.web_ws import WebSocketResponse

    from cri_shim.streaming.channels import ChannelProtocol
    from cri_shim.streaming.port_forward import ForwardRequest

HELD: Final = 1 << 20
"""Bytes waiting for a pod, above which nothing more is read from the client."""

log = structlog.get_logger(__name__)


class _ChannelPipe:
    """The data channel of one port."""

    def __init__(self, forward: WebSocketForward, channel: int) -> None:
        self._forward = forward
        self._channel = channel
        self.inbox = Inbox()

    async def read(self) -> bytes:
        """See Pipe."""
        data = await self.inbox.get()
        self._forward.taken.set()
        return data

    async def write(self, data: bytes) -> None:
        """See Pipe."""
        await self._forward.send(self._channel, data)

    def end(self) -> None:
        """See Pipe; the protocol has no message for it."""


class WebSocketForward:
    """All connections of one WebSocket."""

    def __init__(self, socket: WebSocketResponse, protocol: ChannelProtocol, request: ForwardRequest) -> None:
        self._socket = socket
        self._codec = ChannelCodec(protocol, 2 * len(request.ports))
        self._request = request
        self._pipes = [_ChannelPipe(self, 2 * index) for index in range(len(request.ports))]
        self.taken = asyncio.Event()

    async def run(self) -> None:
        """Forward until the client is gone, or no connection is left."""
        for index, port in enumerate(self._request.ports):
            for channel in (2 * index, 2 * index + 1):
                await self.send(channel, struct.pack("<H", port))
        connections = asyncio.create_task(self._forward_all())
        listening = asyncio.create_task(self._listen())
        try:
            await asyncio.wait({connections, listening}, return_when=asyncio.FIRST_COMPLETED)
            await self._socket.close()
        finally:
            listening.cancel()
            connections.cancel()
            await asyncio.gather(listening, connections, return_exceptions=True)

    async def _forward_all(self) -> None:
        await asyncio.gather(*map(self._forward, range(len(self._pipes))), return_exceptions=True)

    async def _listen(self) -> None:
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                    break
                event = self._codec.decode(message.data)
                pipe = self._pipes[event.channel // 2]
                if event.channel % 2:
                    continue
                if isinstance(event, ChannelData):
                    pipe.inbox.put(event.data)
                else:
                    pipe.inbox.end()
                while sum(each.inbox.size for each in self._pipes) > HELD:
                    self.taken.clear()
                    await self.taken.wait()
        except ChannelError as error:
            log.warning("stream.protocol_error", error=str(error))
        finally:
            for pipe in self._pipes:
                pipe.inbox.end(ClientGoneError("the client has closed the connection"))

    async def _forward(self, index: int) -> None:
        port = self._request.ports[index]
        try:
            sock = await self._request.pod.dial(port)
        except OSError as failure:
            await self.send(2 * index + 1, status_text(str(failure)).encode())
            return
        await carry(sock, self._pipes[index])

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel.

        Raises ``ClientGoneError`` if the client is gone.
        """
        message = self._codec.encode(channel, data)
        try:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)
        except (ConnectionError, RuntimeError) as error:
            raise ClientGoneError("the client has closed the connection") from error
