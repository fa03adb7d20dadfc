"""The thread that carries all containers' output from their FIFOs into their log files.

It is one thread with an epoll of its own. So chatty containers do not compete with RPCs for the event loop, and a
blocked disk does not block RPCs (containerd has two goroutines per container). The thread works in turns: each
container that has output gets at most ``CHUNK_BUDGET`` bytes, then the next one. :mod:`cri_shim.logs.source` says what
a turn does, and why a SIGKILL loses nothing.

Theory of operation. FIFOs are watched edge-triggered, because unfinished lines stay inside, and a level-triggered epoll
would report them for ever. The kernel signals each write(2) that completes, even into a FIFO that is not empty
(pipe_write in fs/pipe.c; 5.14 and kernels with its fix), but not a writer that fills the FIFO and sleeps within one
write. Hence the thread polls FIFOs that hold an unfinished line again after 5 ms, 10 ms, ... 1 s. When turns follow
each other closely, the thread sleeps for a millisecond: lines gather, and the interpreter's lock is free for the event
loop.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from cri_shim.logs.format import DEFAULT_MAX_LINE, STDERR, STDOUT
from cri_shim.logs.handle import LogHandle
from cri_shim.logs.log_file import LogFile
from cri_shim.logs.peek import Peek, grow, pipe_size
from cri_shim.logs.source import Counters, Sink, Source, max_held, wanted_pipe_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.logs.format import Stream
    from cri_shim.logs.peek import Tee

FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 1.0
NAP: Final = 0.001
CLOSE: Final = 0.002  # if the last round was less than this many seconds ago, the thread naps first

log = structlog.get_logger(__name__)


class PumpStatistics(Struct, frozen=True):
    """Numbers since the pump was made; bytes count the containers' output, without the prefix of log entries."""

    containers: int
    streams: int
    bytes_read: int
    entries: int
    bytes_dropped: int
    write_errors: int


class LogPump:
    """All containers' logs; the methods are for the event loop's thread.

    ``tee`` is :meth:`cri_shim.kernel.Kernel.tee`.
    """

    def __init__(self, tee: Tee) -> None:
        self._peek = Peek(tee)
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], None]] = deque()  # guarded by the lock, like `_ended`
        self._ended = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._counters = Counters()
        # Only the pump's thread uses the attributes below.
        self._handles: set[LogHandle] = set()
        self._by_fd: dict[int, tuple[Source, LogHandle]] = {}
        self._ready: dict[Source, LogHandle] = {}
        self._held: dict[Source, LogHandle] = {}
        self._next_poll = math.inf
        self._last_round = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="log-pump", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """End the thread after its current chunk and close everything; unread output stays in the FIFOs.

        Return False if it did not end within ``timeout`` seconds (a disk that hangs).
        """
        self._stopping = True
        if self._thread is None:
            self._finish()
            return True
        self.submit(lambda: None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def attach(
        self,
        container_id: str,
        stdout_fd: int,
        stderr_fd: int | None,
        log_path: str | None,
        max_line: int = DEFAULT_MAX_LINE,
    ) -> LogHandle:
        """Follow a container's FIFOs from now on; the pump owns the descriptors, which must not block.

        With ``log_path`` None or empty, output is drained and dropped. ``max_line`` is the most bytes of a log entry's
        content; 0 or less, or more than a quarter of the largest FIFO (256 KiB), means that quarter.

        Raises ``OSError`` if a descriptor is not that of a FIFO; then both are closed.
        """
        sink = Sink(container_id, LogFile(log_path, container_id) if log_path else None, max_line)
        streams: list[tuple[int, Stream]] = [(stdout_fd, STDOUT)]
        if stderr_fd is not None:
            streams.append((stderr_fd, STDERR))
        sources = []
        try:
            for fd, stream in streams:
                grow(fd, wanted_pipe_size(max_line))
                sources.append(Source(fd, stream, sink, max_held(max_line, pipe_size(fd))))
        except OSError:
            for fd, _ in streams:
                os.close(fd)
            raise
        handle = LogHandle(self, sink, tuple(sources))
        self.submit(lambda: self._follow(handle))
        return handle

    def statistics(self) -> PumpStatistics:
        """Return the numbers of this moment."""
        counters = self._counters
        return PumpStatistics(
            containers=len(self._handles),
            streams=len(self._by_fd),
            bytes_read=counters.bytes_read,
            entries=counters.entries,
            bytes_dropped=counters.bytes_dropped,
            write_errors=counters.write_errors,
        )

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job()`` in the pump's thread between two turns, or here if the thread has ended.

        Callable from any thread.
        """
        with self._lock:
            if not self._ended:
                self._jobs.append(job)
                os.eventfd_write(self._wake, 1)
                return
        job()

    def drop(self, handle: LogHandle) -> None:
        """Stop following a container whose output has not ended; called in the pump's thread."""
        self._end(handle, drained=False)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._round()
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._ended:
            return
        self._stopping = True  # a container attached from now on ends at once
        self._run_jobs()
        for handle in tuple(self._handles):
            self._end(handle, drained=False)
        with self._lock:
            self._ended = True
        self._run_jobs()
        self._epoll.close()
        os.close(self._wake)
        self._peek.close()

    def _round(self) -> None:
        timeout = 0.0 if self._ready else max(0.0, self._next_poll - time.monotonic())
        for fd, event in self._epoll.poll(None if timeout == math.inf else timeout):
            if fd == self._wake:
                os.eventfd_read(self._wake)
            elif entry := self._by_fd.get(fd):
                source, handle = entry
                source.hung_up = source.hung_up or bool(event & select.EPOLLHUP)
                self._ready[source] = handle
        self._run_jobs()
        if self._next_poll <= time.monotonic():
            self._poll_held()
        if self._ready:
            if time.monotonic() - self._last_round < CLOSE:
                time.sleep(NAP)
            for source, handle in tuple(self._ready.items()):
                if not self._stopping:
                    self._serve(source, handle)
            self._last_round = time.monotonic()

    def _run_jobs(self) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            try:
                job()
            except Exception as error:  # the thread serves all containers, so one broken job must not end it
                log.exception("log.request_failed", error=str(error))

    def _follow(self, handle: LogHandle) -> None:
        self._handles.add(handle)
        if self._stopping:
            self._end(handle, drained=False)
            return
        try:
            self._watch(handle)
        except OSError as error:
            handle.error = error

    def _watch(self, handle: LogHandle) -> None:
        for source in handle.sources:
            self._peek.fit(source.fd)
            self._epoll.register(source.fd, select.EPOLLIN | select.EPOLLET)
            self._by_fd[source.fd] = source, handle
        if handle.sink.file:
            handle.sink.file.open()

    def _serve(self, source: Source, handle: LogHandle) -> None:
        try:
            more = source.write_chunk(self._peek, self._counters)
        except Exception as error:  # as above; the thread tries this container again later
            log.exception("log.turn_failed", container=handle.sink.container_id, error=str(error))
            self._ready.pop(source, None)
            self._hold(source, handle, LONGEST_PAUSE)
            return
        if source.ended:
            self._close(source)
            if all(each.closed for each in handle.sources):
                self._end(handle, drained=True)
        elif not more:
            self._ready.pop(source, None)
            if source.held:
                self._hold(source, handle, FIRST_PAUSE)
            else:
                self._held.pop(source, None)

    def _hold(self, source: Source, handle: LogHandle, pause: float) -> None:
        source.pause = pause
        source.due = time.monotonic() + pause
        self._held[source] = handle
        self._next_poll = min(self._next_poll, source.due)

    def _poll_held(self) -> None:
        now = time.monotonic()
        for source, handle in self._held.items():
            if source.due <= now:
                if source.has_more():
                    self._ready[source] = handle
                else:
                    source.pause = min(2 * source.pause, LONGEST_PAUSE)
                source.due = now + source.pause
        self._next_poll = min((source.due for source in self._held), default=math.inf)

    def _close(self, source: Source) -> None:
        # Close only once: afterwards the number of the descriptor may belong to another container.
        if source.closed:
            return
        self._ready.pop(source, None)
        self._held.pop(source, None)
        if self._by_fd.pop(source.fd, None):
            # Closing alone does not unregister it while a child that has yet to exec shares the open file.
            self._epoll.unregister(source.fd)
        source.close()

    def _end(self, handle: LogHandle, *, drained: bool) -> None:
        if handle.drained is not None:
            return
        for source in handle.sources:
            self._close(source)
        if handle.sink.file:
            handle.sink.file.close()
        self._handles.discard(handle)
        handle.end(drained=drained)
        handle.sink.pass_on(handle.sources[0].stream, b"")
        handle.sink.taps = ()
