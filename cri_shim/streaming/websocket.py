"""Exec and attach over WebSocket, under any sub-protocol of :mod:`~cri_shim.streaming.channels`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import WSMsgType

from cri_shim.streaming.channels import Channel, ChannelCodec, ChannelData, ChannelError
from cri_shim.streaming.inbox import Inbox
from cri_shim.streaming.link import hung_up
from cri_shim.streaming.remote import ClientGoneError, Output
from cri_shim.streaming.resize import ResizeReader
from cri_shim.streaming.status import status_json, status_text
from untrusted import escaped

if TYPE_CHECKING:
    from aiohttp.web_ws import WebSocketResponse

    from cri_shim.streaming.channels import ChannelProtocol
    from cri_shim.streaming.remote import Outcome, RequestedStreams, Size

HELD: Final = 1 << 20
"""Bytes of stdin waiting for the process, above which the session stops reading from the client."""

PING_EVERY: Final = 30.0
"""Seconds after which a silent client is pinged."""

PING_HELD: Final = 5.0
"""The same for a client that is not being read; there, only a write shows that it has gone."""

POLL_EVERY: Final = 3.0
"""Seconds between two checks whether a client that is not being read is still there."""

_OUTPUT: Final = {Output.STDOUT: Channel.STDOUT, Output.STDERR: Channel.STDERR}

log = structlog.get_logger(__name__)


class WebSocketRemoteClient:
    """The :class:`~.remote.RemoteClient` of one WebSocket; :meth:`listen` must run all the while."""

    def __init__(
        self,
        socket: WebSocketResponse,
        transport: asyncio.Transport | None,
        protocol: ChannelProtocol,
        wanted: RequestedStreams,
        *,
        idle_timeout: float,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._codec = ChannelCodec(protocol)
        self._wanted = wanted
        self._idle_timeout = idle_timeout
        self._stdin = Inbox()
        self._taken = asyncio.Event()
        self._resize = ResizeReader()
        self._sizes: asyncio.Queue[Size] = asyncio.Queue(maxsize=16)
        self._gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard = self._used = self._loop.time()

    async def greet(self) -> None:
        """Send an empty message first, which shows the client that the other end is there."""
        first = Channel.STDOUT if self._wanted.stdout else Channel.STDERR if self._wanted.stderr else Channel.ERROR
        await self._send(first, b"")

    async def listen(self) -> None:
        """Process the client's messages until it is gone."""
        try:
            async for message in self._socket:
                self._heard = self._used = self._loop.time()
                if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                    break
                self._handle(message.data)
                while self._stdin.size > HELD:
                    self._taken.clear()
                    await self._taken.wait()
        except ChannelError as error:
            log.warning("stream.protocol_error", error=str(error))
            await self._socket.close(code=1002, message=escaped(str(error), 100).encode()[:100])
        finally:
            self._gone.set()
            self._stdin.end(ClientGoneError("the client has closed the connection"))

    async def watch(self) -> None:
        """Ping a silent client and end one that has been idle for too long, until the client is gone."""
        while not self._gone.is_set():
            await asyncio.sleep(min(POLL_EVERY, self._idle_timeout or POLL_EVERY))
            now = self._loop.time()
            clogged = self._stdin.size > HELD
            if clogged and hung_up(self._transport):
                self._gone.set()
                self._stdin.end(ClientGoneError("the client has closed the connection"))
                return
            if self._idle_timeout and now - self._used >= self._idle_timeout:
                log.info("stream.idle", seconds=self._idle_timeout)
                await self._socket.close()
            elif now - self._heard >= (PING_HELD if clogged else PING_EVERY) and not self._socket.closed:
                self._heard = now
                await self._socket.ping()

    def _handle(self, message: bytes | str) -> None:
        event = self._codec.decode(message)
        if event.channel == Channel.STDIN and self._wanted.stdin:
            if isinstance(event, ChannelData):
                self._stdin.put(event.data)
            else:
                self._stdin.end()
        elif event.channel == Channel.RESIZE and isinstance(event, ChannelData):
            for size in self._resize.feed(event.data):
                if self._sizes.full():
                    self._sizes.get_nowait()  # only the last size counts
                self._sizes.put_nowait(size)

    async def _send(self, channel: Channel, data: bytes) -> None:
        message = self._codec.encode(channel, data)
        try:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)
        except (ConnectionError, RuntimeError) as error:
            raise ClientGoneError("the client has closed the connection") from error
        self._used = self._loop.time()

    async def read_stdin(self) -> bytes:
        """See RemoteClient."""
        data = await self._stdin.get()
        self._taken.set()
        return data

    async def read_size(self) -> Size:
        """See RemoteClient."""
        return await self._sizes.get()

    async def write(self, output: Output, data: bytes) -> None:
        """See RemoteClient."""
        await self._send(_OUTPUT[output], data)

    async def gone(self) -> None:
        """See RemoteClient."""
        await self._gone.wait()

    async def finish(self, outcome: Outcome) -> None:
        """See RemoteClient."""
        word = status_json(outcome) if self._codec.protocol.status_json else status_text(outcome)
        if word:
            await self._send(Channel.ERROR, word)
        self._taken.set()
        await self._socket.close()
