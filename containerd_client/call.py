"""Make unary calls: the one place for their bytes, metadata, deadline, retries, record and errors.

A service builds one :class:`Unary` for each of its methods when the client is made, and calls it with a request. This
module serialises the messages itself instead of leaving that to gRPC, so that it can count their bytes. The first
attempt takes the direct path; only a failure that may be retried enters :mod:`containerd_client.retry`.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import grpc.aio
from google.protobuf.message import DecodeError, Message

from containerd_client.encoding.clean_text import parse_message
from containerd_client.errors import (
    AlreadyExists,
    ContainerdError,
    DeadlineExceeded,
    Internal,
    NotFound,
    from_rpc_error,
)
from containerd_client.hops import Hop
from containerd_client.options import NAMESPACE_KEY, PLAIN, TRACE_KEY, current
from containerd_client.retry import GONE_IS_DONE, RETRY, TAKEN_BACK, Retry, attempts, worth_repeating
from containerd_client.time_limits import TIME_LIMITS, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from containerd_client.channel import Connection
    from containerd_client.options import CallOptions

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

if TYPE_CHECKING:
    Check: TypeAlias = Callable[[Request], Awaitable[Response | None]]

CANCELLED: Final = "CANCELLED"
_MAYBE_UNHEARD: Final = frozenset({CANCELLED, "UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""Codes with which gRPC ends a call by itself; any other came from containerd."""
_USED_UP: Final = 0.95
"""Share of a time limit: a call that ran at least this long and then timed out was ended by the limit."""
_PASSED: Final = "context deadline exceeded"


class Tally:
    """Collect the facts of a running call; they become a :class:`Hop` when the call ends."""

    __slots__ = ("attempts", "bytes_in", "bytes_out", "code", "maybe_sent", "passes", "started", "trace")

    def __init__(self, connection: Connection, method: str) -> None:
        self.started = perf_counter()
        on_call = connection.on_call
        self.trace = "" if on_call is None else on_call(method, self.started)
        self.bytes_out = 0
        self.bytes_in = 0
        self.attempts = 0
        # A call that ends without setting a code was cancelled: its await was interrupted from outside.
        self.code = CANCELLED
        self.maybe_sent = False
        # The last failure, if an earlier attempt of the same call explains it and it goes away without help.
        self.passes: ContainerdError | None = None

    def report(self, connection: Connection, method: str) -> None:
        """Pass the record to ``on_hop``, if the client has one."""
        on_hop = connection.on_hop
        if on_hop is not None:
            on_hop(
                Hop(
                    method,
                    self.started,
                    perf_counter() - self.started,
                    self.bytes_out,
                    self.bytes_in,
                    self.attempts,
                    self.code,
                    self.trace,
                )
            )

    def metadata(self, options: CallOptions, namespace: str) -> tuple[tuple[str, str], ...]:
        """Return a call's metadata under ``options``, for a client whose own namespace is ``namespace``."""
        metadata = options.metadata(namespace)
        return (*metadata, (TRACE_KEY, self.trace)) if self.trace else metadata


def cut_by_close(connection: Connection) -> bool:
    """Return whether the call ended because the client was closed and not because this task was cancelled.

    gRPC reports both in the same way.
    """
    task = asyncio.current_task()
    return connection.closed and (task is None or not task.cancelling())


def naming_our_limit(failure: ContainerdError, timeout: float | None, seconds: float) -> ContainerdError:
    """Return the failure, replaced by one that names our time limit if that limit ended the call.

    gRPC's own failure does not say how long the limit was. containerd knows the limit too and may be the first to
    answer that it has passed, often with another code.
    """
    by_limit = isinstance(failure, DeadlineExceeded) or _PASSED in failure.detail
    if by_limit and timeout is not None and seconds >= timeout * _USED_UP:
        return DeadlineExceeded(failure.method, f"containerd did not answer within {round(timeout, 1):g} s")
    return failure


def parsed(method: str, parse: Callable[[bytes], Response], data: bytes) -> Response:
    """Parse a message, whatever bytes its texts hold; raises Internal if it does not fit the ``.proto`` definition."""
    try:
        return parse_message(parse, data)
    except DecodeError as error:
        raise Internal(method, f"containerd's answer could not be parsed: {error}") from None


class Unary(Generic[Request, Response]):
    """One method of one client: ``await method(request)``."""

    __slots__ = ("_check", "_connection", "_limit", "_metadata", "_parse", "_rule", "_start", "method")

    def __init__(
        self,
        connection: Connection,
        method: str,
        parse: Callable[[bytes], Response],
        *,
        channel: grpc.aio.Channel | None = None,
        check: Check[Request, Response] | None = None,
    ) -> None:
        """Bind the method to its connection.

        ``check`` is required for methods of class LOOK_FIRST and not allowed for others. It returns the response that
        the first attempt would have returned if that attempt took effect, else None.
        """
        self.method: Final = method
        self._rule: Final = RETRY[method]
        self._limit: Final = TIME_LIMITS[method]
        if (check is not None) is not (self._rule is Retry.CHECK_FIRST):
            raise TypeError(f"{method} is {self._rule.name}: only LOOK_FIRST has, and needs, a look")
        self._connection: Final = connection
        self._parse: Final = parse
        self._check: Final = check
        self._metadata: Final = grpc.aio.Metadata((NAMESPACE_KEY, connection.namespace))
        start: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = (channel or connection.unary).unary_unary(f"/{method}")
        self._start: Final = start

    async def __call__(self, request: Request) -> Response:
        """Make the call under the current options and within the time limit of its method.

        Raises a :class:`ContainerdError`, or CancelledError when the caller is cancelled, which also ends the call.
        """
        connection = self._connection
        tally = Tally(connection, self.method)
        connection.in_flight += 1
        try:
            payload = request.SerializeToString()
            options = current.get()
            try:
                return await self._attempt(payload, options, tally)
            except ContainerdError as failure:
                if not worth_repeating(self._rule, failure):
                    raise
                first = failure
            return await self._repeat(request, payload, options, tally, first)
        except ContainerdError as failure:
            tally.code = failure.code
            raise
        finally:
            connection.in_flight -= 1
            tally.report(connection, self.method)
            if tally.code is CANCELLED and cut_by_close(connection):
                raise connection.closed_error(self.method)

    async def _attempt(self, payload: bytes, options: CallOptions | None, tally: Tally) -> Response:
        self._connection.require_open(self.method)
        tally.attempts += 1
        tally.bytes_out += len(payload)
        timeout = self._limit
        begun = perf_counter()
        try:
            if options is None and not tally.trace:
                data = await self._start(payload, metadata=self._metadata, timeout=timeout)
            else:
                options = options or PLAIN
                timeout = within(timeout, options.remaining())
                data = await self._start(
                    payload, metadata=tally.metadata(options, self._connection.namespace), timeout=timeout
                )
        except grpc.aio.AioRpcError as error:
            failure = naming_our_limit(from_rpc_error(self.method, error), timeout, perf_counter() - begun)
            if failure.code not in _MAYBE_UNHEARD:
                self._connection.heard_at = perf_counter()
            tally.maybe_sent = tally.maybe_sent or not failure.never_sent
            raise failure from None
        self._connection.heard_at = perf_counter()
        tally.bytes_in += len(data)
        response = parsed(self.method, self._parse, data)
        tally.code = "OK"
        return response

    async def _repeat(
        self, request: Request, payload: bytes, options: CallOptions | None, tally: Tally, first: ContainerdError
    ) -> Response:
        failed: ContainerdError | None = first
        remaining = None if options is None else options.remaining()
        async for attempt in attempts(self._rule, remaining, passes=lambda error: error is tally.passes):
            with attempt:
                if failed is not None:
                    failure, failed = failed, None
                    raise failure
                return await self._again(request, payload, options, tally)
        raise first  # never reached: the loop itself raises the last failure

    async def _again(self, request: Request, payload: bytes, options: CallOptions | None, tally: Tally) -> Response:
        check = self._check if tally.maybe_sent else None
        if check is not None:
            result = await check(request)
            if result is not None:
                tally.code = "OK"
                return result
        # The errors below count as success only if an earlier attempt may have reached containerd.
        maybe_done = tally.maybe_sent
        try:
            return await self._attempt(payload, options, tally)
        except NotFound:
            if maybe_done and self.method in GONE_IS_DONE:
                tally.code = "OK"
                return self._parse(b"")
            raise
        except AlreadyExists as failure:
            result = await check(request) if check is not None else None
            if result is None:
                if maybe_done and self.method in TAKEN_BACK:
                    tally.passes = failure
                raise
            tally.code = "OK"
            return result
