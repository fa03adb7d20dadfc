"""Make the calls through a client in another language: a program that reads calls from lines and holds the clock.

One process runs for each endpoint; :mod:`line_process` manages it.
"""

from __future__ import annotations

import asyncio
import itertools

import grpc

from cri_shim.bench.clients.caller import Answer, bill_of
from cri_shim.bench.clients.line_process import ClientError, LineProcess
from cri_shim.bench.clients.line_protocol import Answered, Call, Failed, Hello, ProtocolError, parse_answer, parse_hello
from cri_shim.bench.results.schema import CallingClient
from untrusted.text import escaped

HELLO_SECONDS = 10.0
LATE_SECONDS = 10.0
"""Seconds that the comparison waits for an answer beyond the call's own deadline."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_LONGEST_MESSAGE = 1000


class LineCaller:
    """One client, connected to one endpoint; :meth:`start` makes it."""

    def __init__(self, command: str) -> None:
        """Keep the command; nothing runs yet."""
        self._command = command
        self._hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._process: LineProcess | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._broken: ClientError | None = None

    @classmethod
    async def start(cls, command: str, endpoint: str) -> LineCaller:
        """Run a command (a path, perhaps with arguments) for an endpoint, and wait for its hello.

        Raises :class:`ClientError`.
        """
        caller = cls(command)
        caller._process = await LineProcess.start(command, endpoint, caller._on_line, caller._on_end)
        try:
            await asyncio.wait_for(asyncio.shield(caller._hello), HELLO_SECONDS)
        except TimeoutError as error:
            raise caller._break(f"has not said hello within {HELLO_SECONDS:g} s") from error
        finally:
            if not caller._hello.done() or caller._hello.exception():
                await caller.close()
        return caller

    @property
    def about(self) -> CallingClient:
        """The client's name and version, and the command that runs it."""
        hello = self._hello.result()
        return CallingClient(hello.name, hello.version, self._command)

    @property
    def pid(self) -> int:
        """The client's process, whose CPU time is the client's."""
        return self._running.pid

    async def call(self, path: str, request: bytes, deadline: float) -> Answer:
        """Let the client call a method. Raises :class:`grpc.aio.AioRpcError`, or :class:`ClientError`."""
        if self._broken:
            raise self._broken
        id_ = next(self._ids)
        answered = self._waiting[id_] = asyncio.get_running_loop().create_future()
        self._running.write(Call(id_, path, round(deadline * 1000), (), request).line())
        try:
            answer = await asyncio.wait_for(answered, deadline + LATE_SECONDS)
        except TimeoutError as error:
            raise self._break(f"has not answered a call of {path} that was to end within {deadline:g} s") from error
        if answer.nanoseconds > (deadline + LATE_SECONDS) * 1e9:
            raise self._break(f"says that a call of {path} took {answer.nanoseconds} ns, which is not over yet")
        if answer.status:
            raise _as_grpc_has_it(answer)
        return Answer(answer.content, answer.nanoseconds / 1e6, bill_of(answer.metadata))

    async def close(self) -> None:
        """End the client."""
        await self._running.end()

    @property
    def _running(self) -> LineProcess:
        if self._process is None:
            raise RuntimeError("the client has not been started")
        return self._process

    def _on_line(self, line: str) -> None:
        try:
            if not self._hello.done():
                self._hello.set_result(parse_hello(line))
                return
            answer = parse_answer(line)
        except ProtocolError as error:
            self._break(f"has broken the protocol: {error}")
            return
        if isinstance(answer, Failed):
            self._on_failed(answer)
            return
        waiting = self._waiting.pop(answer.id, None)
        if waiting is None:
            self._break(f"has answered a call {answer.id} that was not made, or twice")
        elif not waiting.done():  # otherwise nothing waits for it any more
            waiting.set_result(answer)

    def _on_failed(self, failed: Failed) -> None:
        reason = escaped(failed.message, _LONGEST_MESSAGE)
        waiting = None if failed.id is None else self._waiting.pop(failed.id, None)
        if waiting is None:
            self._break(f"cannot go on: {reason}")
        elif not waiting.done():
            waiting.set_exception(self._error(f"could not make a call: {reason}"))

    def _on_end(self, how: str) -> None:
        self._break(how)

    def _break(self, what: str) -> ClientError:
        """Fail all calls in flight, and refuse those to come; the first reason stays."""
        if self._broken is None:
            self._broken = self._error(what)
        if not self._hello.done():
            self._hello.set_exception(self._broken)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._broken)
        self._waiting.clear()
        return self._broken

    def _error(self, what: str) -> ClientError:
        return ClientError(f"the client {self._command!r} {what}")


def _as_grpc_has_it(answer: Answered) -> grpc.aio.AioRpcError:
    code = _CODES.get(answer.status, grpc.StatusCode.UNKNOWN)
    trailing = grpc.aio.Metadata(*answer.metadata)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=answer.message)
