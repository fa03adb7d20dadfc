"""The event loop's side of one container's log: wait for its end, rotate it, tap it, stop following it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.logs.source import Sink, Source, TapCallback


class Thread(Protocol):
    """What a handle needs of the pump: run a job between two turns, and stop following a container."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job()`` in the pump's thread soon."""

    def drop(self, handle: LogHandle) -> None:
        """Stop following a container; called in the pump's thread."""


def pending() -> Future[bool]:
    """Return a future that the pump's thread can resolve even after its waiter has given up."""
    future: Future[bool] = Future()
    future.set_running_or_notify_cancel()
    return future


class LogHandle:
    """One container whose output is followed, from ``LogPump.attach``; the methods are for the event loop.

    The state belongs to the pump's thread, and a method that needs it submits a job there. A future prepared in advance
    would cost a kilobyte and a half for each idle container.
    """

    def __init__(self, pump: Thread, sink: Sink, sources: tuple[Source, ...]) -> None:
        self._pump = pump
        self.sink = sink
        self.sources = sources
        self.error: OSError | None = None
        """Why the output cannot be followed, or why the log file could not be opened; None if all is well."""
        self.drained: bool | None = None
        """None while the container is followed; then whether all streams were read to their ends."""
        self._waiters: list[Future[bool]] = []

    def __repr__(self) -> str:
        """Name the container, its log file and the state of the handle."""
        state = "following" if self.drained is None else "drained" if self.drained else "closed"
        return f"<LogHandle {self.sink.container_id} {self.path or 'discarded'} {state}>"

    @property
    def path(self) -> str | None:
        """The path of the log file; None if output is discarded."""
        return self.sink.file.path if self.sink.file else None

    async def wait_opened(self) -> None:
        """Wait until the log file is open.

        Raises ``OSError`` if it could not be opened; the container's output is drained and dropped until it can.
        """

        def check() -> None:
            if self.error is not None:
                raise self.error

        opened = pending()
        self._pump.submit(lambda: resolve(opened, check))
        await asyncio.wrap_future(opened)

    async def wait_drained(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait up to ``timeout`` seconds for the end of all streams; True means that everything is in the log file.

        False means that writers are still there (a process that outlived the container's first one), or that
        :meth:`close` was called first.
        """

        def ask() -> None:
            if self.drained is None:
                self._waiters.append(ended)
            else:
                ended.set_result(self.drained)

        ended = pending()
        self._pump.submit(ask)
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(ended)
        except TimeoutError:
            return False

    def end(self, *, drained: bool) -> None:
        """Note that nothing more will come, and wake the waiters; called in the pump's thread."""
        self.drained = drained
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set_result(drained)

    async def reopen(self) -> None:
        """Open ``path`` anew after the file was renamed; later output goes there, and nothing is lost or repeated.

        Raises ``OSError`` if the new file cannot be made; the old one stays in use.
        """
        file = self.sink.file
        if file is None:
            return
        done = pending()

        def job() -> None:
            if self.drained is not None:  # the file is closed for good, and a reader expects an empty new one
                file.open()
                file.close()
            else:
                file.open()

        self._pump.submit(lambda: resolve(done, job))
        await asyncio.wrap_future(done)

    def add_tap(self, callback: TapCallback) -> Callable[[], None]:
        """Pass every byte from now on to ``callback(stream, data) -> bool``, exactly once.

        Return a function that removes the tap.

        The pump's thread calls the callback, which must neither block nor take long (:class:`~cri_shim.logs.tap.Tap`
        does not). A callback that returns False or raises is removed. It gets bytes as they are read, unfinished lines
        too. Empty ``data`` marks the end of the container's output.
        """

        def add() -> None:
            if self.drained is not None:
                callback(self.sources[0].stream, b"")
            else:
                self.sink.taps = (*self.sink.taps, callback)

        def remove() -> None:
            self.sink.taps = tuple(other for other in self.sink.taps if other is not callback)

        self._pump.submit(add)
        return lambda: self._pump.submit(remove)

    def close(self) -> None:
        """Stop following: close the FIFOs, which keep what was not read, and the log file.

        May be called again.
        """
        self._pump.submit(lambda: self._pump.drop(self))


def resolve(future: Future[bool], job: Callable[[], None]) -> None:
    """Run ``job`` and resolve ``future`` with true or with what it raised."""
    try:
        job()
    except Exception as error:  # noqa: BLE001 - raised again where the future is awaited
        future.set_exception(error)
    else:
        future.set_result(True)
