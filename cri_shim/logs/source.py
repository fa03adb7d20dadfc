"""One FIFO of a container on its way into the container's log: what a turn of the pump does with it.

The order within a turn makes a SIGKILL harmless: look at the FIFO, write the entries, and only then take as many bytes
out of it as were written. A kill between the last two repeats at most one chunk in the log, and loses nothing. An
unfinished line stays in the FIFO, where the next daemon finds it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct, field

from cri_shim.logs.format import format_chunk, rfc3339nano
from cri_shim.logs.peek import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.logs.format import Stream
    from cri_shim.logs.log_file import LogFile
    from cri_shim.logs.peek import Peek

    TapCallback = Callable[[Stream, bytes], bool]

CHUNK: Final = 64 * 1024  # bytes formatted at once: the interpreter's lock is held for that long
SMALL_CHUNK: Final = 8 * 1024  # the same for lines so short that formatting makes ten times as much of them
SHORT_LINE: Final = 8
CHUNK_BUDGET: Final = 256 * 1024  # bytes after which another container gets its turn
PIPE_SIZE: Final = 256 * 1024  # what a FIFO may hold while it is not read, and four times CHUNK (see `max_held`)
MAX_PIPE_SIZE: Final = 1024 * 1024  # the kernel's default for fs.pipe-max-size

log = structlog.get_logger(__name__)


class Counters(Struct):
    """The amounts that passed through; only the pump's thread writes them."""

    bytes_read: int = 0
    entries: int = 0
    bytes_dropped: int = 0
    write_errors: int = 0


class Sink(Struct):
    """Where a container's streams go: its log file (None: nowhere) and the taps of attached clients."""

    container_id: str
    file: LogFile | None
    max_line: int
    taps: tuple[TapCallback, ...] = ()

    def pass_on(self, stream: Stream, data: bytes) -> None:
        """Pass raw bytes to every tap, and drop a tap that fails or declines."""
        for tap in self.taps:
            try:
                wanted = tap(stream, data)
            except Exception as error:  # a tap is foreign code here, and must not stop the log
                log.exception("log.tap_failed", container=self.container_id, error=str(error))
                wanted = False
            if not wanted:
                self.taps = tuple(other for other in self.taps if other is not tap)


def max_held(max_line: int, pipe_size: int) -> int:
    """Return how long an unfinished line may get in a FIFO of ``pipe_size`` before it is cut.

    That is ``max_line``, or a quarter of the FIFO if that is less. Pages of a FIFO are often half empty, and an
    edge-triggered reader gets no event for a writer that finds the FIFO full; the other half is for the writer.
    """
    held = pipe_size // 4
    return min(max_line, held) if max_line > 0 else held


def wanted_pipe_size(max_line: int) -> int:
    """Return the FIFO size, within the kernel's limit, at which lines of ``max_line`` bytes (0 or less: any) fit."""
    if max_line <= 0:
        return MAX_PIPE_SIZE
    size = PIPE_SIZE
    while size < MAX_PIPE_SIZE and size // 4 < max_line:
        size *= 2
    return size


class Source(Struct, eq=False):
    """The reading end ``fd`` of one FIFO, used by the pump's thread only."""

    fd: int
    stream: Stream
    sink: Sink
    held_limit: int
    hung_up: bool = False
    """The last writer has closed, so nothing will come after what the FIFO holds now."""
    ended: bool = False
    """All output is in the log, and no more will come."""
    closed: bool = False
    held: int = 0
    """Bytes of an unfinished line that the last turn left in the FIFO; taps have seen them."""
    due: float = 0.0
    pause: float = 0.0
    _chunk: int = field(default=CHUNK)

    def write_chunk(self, peek: Peek, counters: Counters) -> bool:
        """Write what the FIFO holds, up to :data:`CHUNK_BUDGET` bytes; return True if there may be more.

        After the last of it :attr:`ended` is set, and the caller has to close the source.
        """
        budget = CHUNK_BUDGET
        while budget > 0:
            # Leave room for the longest line that is held back, with its line end, whatever the chunk size is.
            size = max(self._chunk, self.held_limit + 2)
            chunk = peek.head(self.fd, size)
            fresh = chunk[self.held :] if self.held else chunk
            if fresh and self.sink.taps:
                self.sink.pass_on(self.stream, fresh)
            ending = self.hung_up and len(chunk) == waiting(self.fd)
            if not fresh and not ending:
                return False
            taken = self._write(chunk, final=ending, counters=counters)
            # Set before taking, so that taps do not get the same bytes again if that fails.
            self.held = len(chunk)
            peek.take(self.fd, taken)
            self.held -= taken
            counters.bytes_read += taken
            if ending:
                self.ended = True
                return False
            if len(chunk) < size:
                return False
            budget -= taken
        return True

    def _write(self, chunk: bytes, *, final: bool, counters: Counters) -> int:
        file = self.sink.file
        if file is None:
            return len(chunk)
        now = time.time_ns()
        offset = time.localtime(now // 1_000_000_000).tm_gmtoff
        entries = format_chunk(
            chunk,
            stamp=rfc3339nano(now, offset),
            stream=self.stream,
            max_line=self.held_limit,
            final=final,
        )
        if entries.count:
            self._chunk = SMALL_CHUNK if entries.consumed < entries.count * SHORT_LINE else CHUNK
            if file.write(entries.data):
                counters.entries += entries.count
            else:
                counters.bytes_dropped += entries.consumed
                counters.write_errors += 1
        return entries.consumed

    def has_more(self) -> bool:
        """Return whether the FIFO holds more than the last turn left in it."""
        return waiting(self.fd) > self.held

    def close(self) -> None:
        """Close the FIFO, once; what it still holds stays there for the next reader."""
        self.closed = True
        os.close(self.fd)
