"""Manage a program that reads and writes lines: its pipes, its end, and its last lines on standard error.

It runs in a session of its own, so that an interrupt at the terminal reaches only the comparison, which has pods to
remove through the program before it lets it end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, cast

from untrusted.text import decode_utf8, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 24 * 1024 * 1024
"""Bytes: a message of 16 MiB in base64, and the fields around it."""
END_SECONDS = 5.0
"""How long the program may take to end once its standard input has ended."""

_STDIN, _STDOUT = 0, 1
_LAST_WORDS = 3
_LONGEST_WORD = 300


class ClientError(Exception):
    """A client that cannot be run, breaks the protocol, or has ended; the text names the client and the reason."""


class LineProcess:
    """A running program; :meth:`start` makes it."""

    def __init__(self, transport: asyncio.SubprocessTransport, ended: asyncio.Event) -> None:
        """Keep what :meth:`start` has made."""
        self.pid = transport.get_pid()
        self._transport = transport
        self._stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(_STDIN))
        self._ended = ended

    @classmethod
    async def start(
        cls, command: str, argument: str, on_line: Callable[[str], None], on_end: Callable[[str], None]
    ) -> LineProcess:
        """Run a command with one more argument; raises :class:`ClientError` when it cannot be run.

        ``on_line`` gets each line; ``on_end`` gets, once, how the program ended.
        """
        ended = asyncio.Event()
        try:
            words = _words(command)
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Pipes(on_line, on_end, ended), *words, argument, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise ClientError(f"the client {command!r} cannot be run: {error}") from error
        return cls(transport, ended)

    def write(self, line: str) -> None:
        """Write a line; it is lost if the program has ended."""
        self._stdin.write(line.encode() + b"\n")

    async def end(self) -> None:
        """Close its standard input and wait for its end; kill it if that takes too long."""
        self._stdin.close()
        try:
            await asyncio.wait_for(self._ended.wait(), END_SECONDS)
        except TimeoutError:
            kill_session(self.pid)
            await self._ended.wait()
        self._transport.close()


def kill_session(pid: int) -> None:
    """Kill a program, which has a session of its own, and what it started, which would keep its pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _words(command: str) -> list[str]:
    """Split a command as a shell does, unless all of it is the path of a file."""
    return [command] if Path(command).exists() else shlex.split(command)


class _Pipes(asyncio.SubprocessProtocol):
    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[str], None], ended: asyncio.Event) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._ended = ended
        self._buffer = bytearray()
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._transport: asyncio.SubprocessTransport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self._last_words.extend(decode_utf8(line) for line in data.splitlines() if line.strip())
            return
        if b"\n" not in data:
            self._buffer += data
        else:
            *lines, rest = (bytes(self._buffer) + data).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._on_line(decode_utf8(line.removesuffix(b"\r")))
        if len(self._buffer) > LONGEST_LINE:
            self._buffer.clear()
            self._on_end(f"has written a line of more than {LONGEST_LINE} bytes")
            if self._transport is not None:
                kill_session(self._transport.get_pid())

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        """End it soon: a program that closes its standard output and goes on would be waited for until the deadline."""
        if fd == _STDOUT:
            self._loop.call_later(END_SECONDS, self._on_end, "has closed its standard output")

    def process_exited(self) -> None:
        """Kill what it has started, which would keep its pipes open for ever."""
        if self._transport is not None:
            kill_session(self._transport.get_pid())

    def connection_lost(self, _exc: Exception | None) -> None:
        """Report the end: all pipes are closed and the process is reaped."""
        code = self._transport.get_returncode() if self._transport else None
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"has ended with exit code {code}"
        words = "; ".join(escaped(line, _LONGEST_WORD) for line in self._last_words)
        self._on_end(f"{how}{f': {words}' if words else ''}")
        self._ended.set()
