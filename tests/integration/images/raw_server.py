"""A server that sends exactly the bytes that a test gives it, and remembers exactly those that it got."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Got:
    """One request; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class RawServer:
    """Serves on a loopback port while its ``async with`` block lasts; each connection is for one request.

    ``answers``: target → bytes, or a list of which each next request gets one; ``fallback`` answers everything else.
    """

    answers: dict[str, bytes | list[bytes]] = field(default_factory=dict)
    fallback: Callable[[Got], bytes] = lambda got: answer(404)
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    got: list[Got] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        assert self._server is not None
        return f"{self.host}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def targets(self) -> list[str]:
        """The targets of all requests."""
        return [one.target for one in self.got]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            got = await read_request(reader)
            self.got.append(got)
            given = self.answers.get(got.target)
            if isinstance(given, list):
                given = given.pop(0) if given else None
            writer.write(self.fallback(got) if given is None else given)
            await writer.drain()
        writer.close()


async def read_request(reader: asyncio.StreamReader) -> Got:
    """Read one request with its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Got(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Build a whole answer; ``_`` in names of headers is ``-``."""
    lines = [f"HTTP/1.1 {status} Some"]
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if "Content-Length" not in given and "Transfer-Encoding" not in given:
        given["Content-Length"] = str(len(body))
    lines += [f"{name}: {value}" for name, value in {**given, "Connection": "close"}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


def redirect(location: str, status: int = 307, **more: str) -> bytes:
    """Build a redirect."""
    return answer(status, b"", Location=location, **more)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Build a chunked body; ``end`` is its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
