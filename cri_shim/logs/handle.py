"""The event loop's side of one container's log: wait for its end, rotate it, listen to it, drop it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.logs.source import Sink, Source, TapCallback


class Thread(Protocol):
    """What a handle needs of the pump: run something between two turns, and stop following a container."""

    def submit(self, job: Callable[[], None]) -> None:
        """Have ``job()`` run in the pump's thread, soon."""

    def drop(self, handle: LogHandle) -> None:
        """Stop following; in the pump's thread."""


def pending() -> Future[bool]:
    """Return a future that a waiter which gives up cannot cancel for the others."""
    future: Future[bool] = Future()
    future.set_running_or_notify_cancel()
    return future


class LogHandle:
    """One container that is being followed, from ``LogPump.attach``; methods are for the event loop."""

    def __init__(self, pump: Thread, sink: Sink, sources: tuple[Source, ...]) -> None:
        self._pump = pump
        self.sink = sink
        self.sources = sources
        self.opening: Future[bool] = pending()
        self.draining: Future[bool] = pending()

    def __repr__(self) -> str:
        """Name the container, its file and what state it is in."""
        state = "following" if not self.draining.done() else "drained" if self.draining.result() else "closed"
        return f"<LogHandle {self.sink.container_id} {self.path or 'discarded'} {state}>"

    @property
    def path(self) -> str | None:
        """The log file; None: output is discarded."""
        return self.sink.file.path if self.sink.file else None

    async def wait_opened(self) -> None:
        """Wait until the log file is open.

        Raises:
            OSError: it could not be opened; the container's output is drained and dropped until it can.

        """
        await asyncio.wrap_future(self.opening)

    async def wait_drained(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait up to ``timeout`` seconds for the end of all streams; true: everything is in the log file.

        False: writers are still there (a process that outlived the container's first one), or :meth:`close` came first.
        """
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(self.draining)
        except TimeoutError:
            return False

    async def reopen(self) -> None:
        """Open ``path`` anew after the file was renamed; what comes later goes there. Nothing is lost or repeated.

        Raises:
            OSError: the new file cannot be made; the old one stays in use.

        """
        file = self.sink.file
        if file is None:
            return
        done = pending()

        def job() -> None:
            if self.draining.done():  # the file is closed for good; an empty new one is what a reader expects
                file.open()
                file.close()
            else:
                file.open()

        self._pump.submit(lambda: settle(done, job))
        await asyncio.wrap_future(done)

    def add_tap(self, callback: TapCallback) -> Callable[[], None]:
        """Have every byte from now on passed to ``callback(stream, data) -> bool``, exactly once; returns the remover.

        It is called from the pump's thread and must neither block nor take long (:class:`~cri_shim.logs.tap.Tap` does
        not); returning false or raising ends it. Bytes come as they are read, unfinished lines too. Empty ``data``
        tells the end of the container's output.
        """

        def add() -> None:
            if self.draining.done():
                callback(self.sources[0].stream, b"")
            else:
                self.sink.taps = (*self.sink.taps, callback)

        def remove() -> None:
            self.sink.taps = tuple(other for other in self.sink.taps if other is not callback)

        self._pump.submit(add)
        return lambda: self._pump.submit(remove)

    def close(self) -> None:
        """Stop following: close the FIFOs, which keep what was not read, and the file. May be called again."""
        self._pump.submit(lambda: self._pump.drop(self))


def settle(future: Future[bool], job: Callable[[], None]) -> None:
    """Run ``job`` and resolve ``future`` with true or with what it raised."""
    try:
        job()
    except Exception as error:  # noqa: BLE001 - raised again where the future is awaited
        future.set_exception(error)
    else:
        future.set_result(True)
