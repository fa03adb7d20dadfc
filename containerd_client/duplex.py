"""Make calls that stream in both directions, one message out and one message in, alternating.

Writing content and containerd's raw streams use them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic

import grpc
import grpc.aio

from containerd_client.call import Request, Response, Tally, cut_by_close, parsed
from containerd_client.errors import ContainerdError, Internal, Unavailable, from_rpc_error
from containerd_client.options import PLAIN, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client.channel import Connection

_WRITE_FAILED: Final = "Internal error from Core"
"""gRPC's text, with code INTERNAL, for a message that could not be written to a dead connection."""


class Duplex(Generic[Request, Response]):
    """One bidirectional streaming method of one client; calling it opens a :class:`Conversation`."""

    __slots__ = ("_connection", "_parse", "_start", "method")

    def __init__(self, connection: Connection, method: str, parse: Callable[[bytes], Response]) -> None:
        self.method: Final = method
        self._connection: Final = connection
        self._parse: Final = parse
        start: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = connection.streams.stream_stream(f"/{method}")
        self._start: Final = start

    def __call__(self) -> Conversation[Request, Response]:
        """Open the stream under the current options. The caller must close it."""
        self._connection.require_open(self.method)
        options = current.get() or PLAIN
        tally = Tally(self._connection, self.method)
        metadata = tally.metadata(options, self._connection.namespace)
        call = self._start(metadata=metadata, timeout=options.remaining())
        return Conversation(self._connection, self.method, self._parse, call, tally)


class Conversation(Generic[Request, Response]):
    """An open bidirectional stream; every error of its methods is a :class:`ContainerdError`."""

    def __init__(
        self,
        connection: Connection,
        method: str,
        parse: Callable[[bytes], Response],
        call: grpc.aio.StreamStreamCall[bytes, bytes],
        tally: Tally,
    ) -> None:
        self._connection = connection
        self._method = method
        self._parse = parse
        self._call = call
        # call.read() would not do: it checks the status first and would miss a message that arrived together with it.
        self._responses = aiter(call)
        self._tally = tally
        self._tally.attempts = 1
        self._ended = False
        connection.in_flight += 1

    async def send(self, request: Request) -> None:
        """Send one message."""
        await self.send_bytes(request.SerializeToString())

    async def send_bytes(self, payload: bytes) -> None:
        """Send a message that is already serialised; for large ones this saves a copy of their bytes."""
        try:
            await self._call.write(payload)
        except grpc.aio.AioRpcError as error:
            if error.details() == _WRITE_FAILED:
                broken = Unavailable(self._method, "the connection broke while a message was being sent")
                raise self._failed(broken) from None
            raise self._failed(from_rpc_error(self._method, error)) from None
        except asyncio.InvalidStateError:
            # The server has ended the stream already; its status says why.
            raise self._failed(await self._status()) from None
        finally:
            self._explain_cut()
        self._tally.bytes_out += len(payload)

    async def receive(self) -> Response | None:
        """Return the next message, or None when the server ended the stream without an error."""
        try:
            data = await anext(self._responses, None)
        except grpc.aio.AioRpcError as error:
            raise self._failed(from_rpc_error(self._method, error)) from None
        finally:
            self._explain_cut()
        if data is None:
            self._tally.code = "OK"
            return None
        self._tally.bytes_in += len(data)
        return parsed(self._method, self._parse, data)

    async def ask(self, request: Request) -> Response:
        """Send one message and return its answer."""
        await self.send(request)
        return await self.answer()

    async def answer(self) -> Response:
        """Return the answer to a message that was sent earlier."""
        response = await self.receive()
        if response is None:
            raise self._failed(Internal(self._method, "the stream ended before a message was answered"))
        return response

    async def finish(self) -> None:
        """Half-close the stream and wait until the server has ended it too."""
        try:
            await self._call.done_writing()
        except grpc.aio.AioRpcError as error:
            raise self._failed(from_rpc_error(self._method, error)) from None
        while await self.receive() is not None:
            pass

    def close(self) -> None:
        """End the stream at once if it is still open, and report the hop. Closing twice is allowed."""
        if self._ended:
            return
        self._ended = True
        self._call.cancel()
        self._connection.in_flight -= 1
        self._tally.report(self._connection, self._method)

    def _failed(self, error: ContainerdError) -> ContainerdError:
        self._tally.code = error.code
        return error

    async def _status(self) -> ContainerdError:
        code, detail = await self._call.code(), await self._call.details()
        if code is grpc.StatusCode.OK:
            return Internal(self._method, "the server ended the stream before everything was sent")
        return from_rpc_error(self._method, grpc.aio.AioRpcError(code, details=detail))

    def _explain_cut(self) -> None:
        if self._connection.closed and not self._ended and cut_by_close(self._connection):
            self._tally.code = "UNAVAILABLE"
            raise self._connection.closed_error(self._method)
