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
    """Return a future that the pump's thread can resolve even after its waiter has given up."""
    future: Future[bool] = Future()
    future.set_running_or_notify_cancel()
    return future


class LogHandle:
    """One container that is being followed, from ``LogPump.attach``; methods are for the event loop.

    What is known of it belongs to the pump's thread, and who wants to know submits a question: a future that nobody
    waits for yet would be a kilobyte and a half for each idle container.
    """

    def __init__(self, pump: Thread, sink: Sink, sources: tuple[Source, ...]) -> None:
        self._pump = pump
        self.sink = sink
        self.sources = sources
        self.trouble: OSError | None = None
        """Why its output cannot be followed, or its log file could not be opened."""
        self.drained: bool | None = None
        """None while it is followed; then whether that was to the end of all streams."""
        self._waiters: list[Future[bool]] = []

    def __repr__(self) -> str:
        """Name the container, its file and what state it is in."""
        state = "following" if self.drained is None else "drained" if self.drained else "closed"
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

        def check() -> None:
            if self.trouble is not None:
                raise self.trouble

        opened = pending()
        self._pump.submit(lambda: settle(opened, check))
        await asyncio.wrap_future(opened)

    async def wait_drained(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait up to ``timeout`` seconds for the end of all streams; true: everything is in the log file.

        False: writers are still there (a process that outlived the container's first one), or :meth:`close` came first.
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
        """Nothing more will come; in the pump's thread."""
        self.drained = drained
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set_result(drained)

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
            if self.drained is not None:  # the file is closed for good; an empty new one is what a reader expects
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
            if self.drained is not None:
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
