"""A clock that jumps over what nobody need wait for, so that a time limit of minutes costs a test milliseconds.

As long as anything is at work (a call to containerd, a thread, a program, a message on its way) the clock of the event
loop runs like any other. When nothing has happened for :data:`QUIET_SECONDS` and all that is left are timers, the clock
jumps to the next timer. So a slow machine makes the matrix slower, and no other answer comes out of it.

gRPC, tenacity and the watch over a pull's progress look at the machine's clock. They are given the loop's: the client
of containerd gets channels that keep the deadlines of calls by it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import grpc
import grpc.aio
import tenacity

from containerd_client import options
from containerd_client.distribution import progress
from cri_shim.kernel import process
from cri_shim.kernel.executors import FS, MOUNT
from cri_shim.lifecycle.checkpoint import criu
from cri_shim.network import exec as network_exec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

QUIET_SECONDS = 0.004
"""How long nothing happens before the clock jumps: longer than a message between two ends of one process takes."""


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps when nothing is at work outside of it."""

    def __init__(self) -> None:
        self._jumped = 0.0
        self.work = 0
        """Threads and programs that are at work; the clock never jumps while there is one."""
        self.calls = 0
        """Calls to containerd that are under way."""
        self.held: Callable[[], int] = int
        """How many of the calls that are under way are held back on purpose, and so count for nothing."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the time that timers are set by."""
        return super().time() + self._jumped

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._jumped += seconds


class _Selector(selectors.EpollSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as the loop asks, but jump over what is left of the time when nothing is at work."""
        if timeout is None or timeout <= QUIET_SECONDS:
            return super().select(timeout)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            events = super().select(min(left, QUIET_SECONDS))
            if events:
                return events
            if not self._loop.work and self._loop.calls <= self._loop.held():
                self._loop.jump(max(0.0, deadline - time.monotonic()))
                break
        return []


@contextmanager
def jumping_clock(loop: JumpingLoop) -> Iterator[None]:
    """Have clients of containerd, threads and programs that are begun inside keep to the clock of ``loop``."""
    insecure_channel, run_program = grpc.aio.insecure_channel, process.run_program

    def open_channel(target: str, options: Sequence[tuple[str, Any]] = ()) -> _Channel:
        return _Channel(loop, insecure_channel(target, options=options))

    async def run_and_count(*arguments: Any, **named: Any) -> Any:
        loop.work += 1
        try:
            return await run_program(*arguments, **named)
        finally:
            loop.work -= 1

    with ExitStack() as stack:
        stack.enter_context(patch.object(grpc.aio, "insecure_channel", open_channel))
        stack.enter_context(patch.object(options, "monotonic", loop.time))
        for module in (tenacity, progress):
            clock = SimpleNamespace(monotonic=loop.time, sleep=time.sleep)
            stack.enter_context(patch.object(module, "time", clock))
        for module in (network_exec, criu):
            stack.enter_context(patch.object(module, "run_program", run_and_count))
        for executor in (FS, MOUNT):
            stack.enter_context(patch.object(executor, "submit", _counted(loop, executor.submit)))
        yield


def _counted(loop: JumpingLoop, submit: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``submit`` of an executor, its work counted until the loop knows that it is done."""

    def done(_future: object) -> None:
        loop.call_soon_threadsafe(finished)

    def finished() -> None:
        loop.work -= 1

    def counted(*arguments: Any, **named: Any) -> Any:
        loop.work += 1
        future = submit(*arguments, **named)
        future.add_done_callback(done)
        return future

    return counted


class _Channel:
    """A channel whose calls with one answer keep their deadlines by the loop's clock."""

    def __init__(self, loop: JumpingLoop, inner: grpc.aio.Channel) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def unary_unary(self, method: str) -> Callable[..., Any]:
        """Return what makes a call of ``method``."""
        start: Any = self._inner.unary_unary(method)

        async def call(request: bytes, *, metadata: Any = None, timeout: float | None = None) -> bytes:
            self._loop.calls += 1
            try:
                async with asyncio.timeout(timeout):
                    answer: bytes = await start(request, metadata=metadata)
                    return answer
            except TimeoutError:
                raise _failed(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
            except grpc.aio.AioRpcError as error:
                # gRPC cancels a call that has reached a dying fake and is not handled yet. The connection of a killed
                # containerd breaks.
                if error.code() is not grpc.StatusCode.CANCELLED:
                    raise
                raise _failed(grpc.StatusCode.UNAVAILABLE, "Socket closed") from None
            finally:
                self._loop.calls -= 1

        return call


def _failed(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
