r"""Turn raw container output into log entries of the CRI log format, without I/O.

An entry is ``<time> <stream> <tag> <content>\n``: time in RFC 3339 with nanoseconds as Go prints it (RFC3339Nano),
stream ``stdout`` or ``stderr``, tag ``F`` when the entry ends a line and ``P`` when the line goes on in the next entry
of the same stream (k8s.io/cri-api, CRI logging; containerd internal/cri/io/logger.go for the corner cases below).

* A line longer than the limit is cut into ``P`` entries of exactly that many bytes; what is left of it is the ``F``.
* Output that ends without a newline is written as ``P``, as containerd does.
* ``\r\n`` ends a line like ``\n``: both bytes go. Any other ``\r`` is content.

No code here looks at lines one by one, because a chunk of 64 KiB may hold 65536 of them, and the thread holds the
interpreter's lock meanwhile. Hence all entries made of one chunk have one time, which is when the chunk was read.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

Stream = Literal[b"stdout", b"stderr"]

STDOUT: Final[Stream] = b"stdout"
STDERR: Final[Stream] = b"stderr"
DEFAULT_MAX_LINE: Final = 16 * 1024  # max_container_log_line_size of containerd's CRI plugin


class Entries(Struct, frozen=True):
    """Log entries made of the first ``consumed`` bytes of a chunk."""

    data: bytes
    """Whole entries, each with its newline, ready to be written to the log file."""
    consumed: int
    """How many bytes of the chunk the entries cover; the rest is an unfinished line, which the caller passes in again.
    """
    count: int
    """How many entries ``data`` holds."""


@lru_cache(maxsize=8)
def _second(seconds: int, offset: int) -> tuple[bytes, bytes]:
    # Everything but the fraction is the same for a whole second, so it is cached.
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds + offset))
    if offset == 0:
        return moment.encode(), b"Z"
    minutes = abs(offset) // 60
    sign = "-" if offset <= -60 else "+"
    return moment.encode(), f"{sign}{minutes // 60:02}:{minutes % 60:02}".encode()


def rfc3339nano(ns: int, offset: int) -> bytes:
    """Format ``ns`` since the epoch as Go's ``time.RFC3339Nano`` in a zone ``offset`` seconds east of UTC.

    Trailing zeros of the fraction are dropped, with the point if nothing is left; an offset of zero is ``Z``.
    """
    seconds, fraction = divmod(ns, 1_000_000_000)
    moment, zone = _second(seconds, offset)
    if fraction == 0:
        return moment + zone
    return b"%b.%b%b" % (moment, (b"%09d" % fraction).rstrip(b"0"), zone)


def format_chunk(chunk: bytes, *, stamp: bytes, stream: Stream, max_line: int, final: bool) -> Entries:
    """Make log entries of as much of ``chunk`` as is ready for the log.

    ``stamp`` is the time that the entries show, ``max_line`` the most content bytes of one entry (0 or less: no limit).
    An unfinished line at the end is left out until it exceeds ``max_line``; with ``final`` (nothing comes after this
    chunk) it is written too, tagged ``P``. Cutting keeps no state: after a cut, the rest of a long line counts as a
    line of its own, so another process may format the next chunk.
    """
    full = b"%b %b F " % (stamp, stream)
    partial = b"%b %b P " % (stamp, stream)
    end = chunk.rfind(b"\n") + 1
    pieces: list[bytes] = []
    count = 0
    if end:
        body = chunk if end == len(chunk) else chunk[:end]
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
        count = _append_lines(pieces, body, full, partial, max_line)
    rest = chunk[end:]
    taken = end
    if rest:
        # A \r at the very end may be half of a line end, so it does not count towards the limit yet.
        ready = len(rest) - (not final and rest.endswith(b"\r"))
        start = 0
        while 0 < max_line < ready - start:
            pieces += (partial, rest[start : start + max_line], b"\n")
            start += max_line
            count += 1
        if final and start < len(rest):
            pieces += (partial, rest[start:], b"\n")
            start = len(rest)
            count += 1
        taken += start
    return Entries(b"".join(pieces), taken, count)


def _append_lines(pieces: list[bytes], body: bytes, full: bytes, partial: bytes, max_line: int) -> int:
    # `body` ends with a newline. Runs of lines within the limit are formatted at once, over-long lines one by one.
    count = body.count(b"\n")
    start = 0
    while start < len(body):
        long = _first_overlong(body, start, max_line)
        if long != start:
            pieces += (full, body[start : long - 1].replace(b"\n", b"\n" + full), b"\n")
            start = long
            continue
        end = body.index(b"\n", start)
        while end - start > max_line:
            pieces += (partial, body[start : start + max_line], b"\n")
            start += max_line
            count += 1
        pieces += (full, body[start:end], b"\n")
        start = end + 1
    return count


def _first_overlong(body: bytes, start: int, max_line: int) -> int:
    # Return where the first line longer than `max_line` begins, or the end of `body`. Each step jumps to the last
    # newline within `max_line`, so there are only a few steps, however many lines there are.
    position = start
    while 0 < max_line < len(body) - position - 1:
        newline = body.rfind(b"\n", position, position + max_line + 1)
        if newline < 0:
            return position
        position = newline + 1
    return len(body)
