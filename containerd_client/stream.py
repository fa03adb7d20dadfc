"""Make calls that answer with a stream, with the same bytes, metadata, deadline, record and errors as in call.py.

A stream must be ended by closing it and never by a time limit around a single read, because gRPC leaks an operation for
each read that is cut off. A stream is not retried once a message was passed to the caller.
:meth:`ServerStream.collect` gathers all messages first and may therefore start over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

import grpc.aio

from containerd_client.call import CANCELLED, Request, Response, Tally, cut_by_close, parsed
from containerd_client.errors import ContainerdError, from_rpc_error
from containerd_client.options import PLAIN, current
from containerd_client.retry import RETRY, attempts, worth_repeating
from containerd_client.time_limits import TIME_LIMITS, within

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from containerd_client.channel import Connection


class ServerStream(Generic[Request, Response]):
    """One streaming method of one client."""

    __slots__ = ("_connection", "_limit", "_parse", "_rule", "_start", "method")

    def __init__(self, connection: Connection, method: str, parse: Callable[[bytes], Response]) -> None:
        self.method: Final = method
        self._rule: Final = RETRY[method]
        self._limit: Final = TIME_LIMITS[method]
        self._connection: Final = connection
        self._parse: Final = parse
        start: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = connection.streams.unary_stream(f"/{method}")
        self._start: Final = start

    async def __call__(self, request: Request) -> AsyncGenerator[Response, None]:
        """Open the stream at the first ``anext``; close it (``aclose``, ``contextlib.aclosing``) to end it early."""
        connection = self._connection
        tally = Tally(connection, self.method)
        connection.in_flight += 1
        call: grpc.aio.UnaryStreamCall[bytes, bytes] | None = None
        reading = True
        try:
            call = self._open(request, tally)
            async for data in call:
                tally.bytes_in += len(data)
                response = parsed(self.method, self._parse, data)
                reading = False
                yield response
                reading = True
            tally.code = "OK"
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(self.method, error)
            tally.code = failure.code
            raise failure from None
        except ContainerdError as failure:
            tally.code = failure.code
            raise
        finally:
            self._end(call, tally, reading=reading)

    async def collect(self, request: Request) -> list[Response]:
        """Return all messages, or raise and return none; starts over where the retry table allows it."""
        connection = self._connection
        tally = Tally(connection, self.method)
        connection.in_flight += 1
        try:
            try:
                return await self._gather(request, tally)
            except ContainerdError as failure:
                if not worth_repeating(self._rule, failure):
                    raise
                first = failure
            return await self._gather_again(request, tally, first)
        except ContainerdError as failure:
            tally.code = failure.code
            raise
        finally:
            self._end(None, tally, reading=True)

    def _open(self, request: Request, tally: Tally) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
        self._connection.require_open(self.method)
        options = current.get() or PLAIN
        payload = request.SerializeToString()
        tally.attempts += 1
        tally.bytes_out += len(payload)
        return self._start(
            payload,
            metadata=tally.metadata(options, self._connection.namespace),
            timeout=within(self._limit, options.remaining()),
        )

    async def _gather(self, request: Request, tally: Tally) -> list[Response]:
        call = self._open(request, tally)
        responses: list[Response] = []
        try:
            async for data in call:
                tally.bytes_in += len(data)
                responses.append(parsed(self.method, self._parse, data))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(self.method, error) from None
        finally:
            call.cancel()
        tally.code = "OK"
        return responses

    async def _gather_again(self, request: Request, tally: Tally, first: ContainerdError) -> list[Response]:
        options = current.get() or PLAIN
        failed: ContainerdError | None = first
        async for attempt in attempts(self._rule, options.remaining()):
            with attempt:
                if failed is not None:
                    failure, failed = failed, None
                    raise failure
                return await self._gather(request, tally)
        raise first  # never reached: the loop itself raises the last failure

    def _end(self, call: grpc.aio.UnaryStreamCall[bytes, bytes] | None, tally: Tally, *, reading: bool) -> None:
        if call is not None:
            call.cancel()
        self._connection.in_flight -= 1
        tally.report(self._connection, self.method)
        if reading and tally.code is CANCELLED and cut_by_close(self._connection):
            raise self._connection.closed_error(self.method)
