"""An HTTP proxy and a SOCKS5 proxy on loopback that remember what they were asked for.

Whatever name they are asked for, they connect to the one server that the test has: names need not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.integration.images.raw_server import answer, read_request

if TYPE_CHECKING:
    import ssl

    from tests.integration.images.raw_server import Got


@dataclass(slots=True)
class Proxy:
    """Passes everything on to ``behind`` (``host:port``); with ``refusal`` it answers that instead."""

    behind: str
    tls: ssl.SSLContext | None = None
    refusal: bytes = b""
    silent: bool = False
    more: bytes = b""
    """Further headers of the answer to CONNECT."""
    certificates: list[object] = field(default_factory=list)
    """What its clients showed."""
    asked: list[str] = field(default_factory=list)
    """Method and target, or host and port."""
    got: list[Got] = field(default_factory=list)
    login: tuple[bytes, bytes] | None = None
    """What a SOCKS client has shown."""
    _server: asyncio.Server | None = None
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self.silent:
                await reader.read()
            else:
                await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await read_request(reader)
        self.got.append(got)
        if self.tls is not None:
            self.certificates.append(writer.get_extra_info("peercert") or None)
        self.asked.append(f"{got.method} {got.target}")
        if self.refusal:
            writer.write(self.refusal)
            return
        there, out = await asyncio.open_connection(*self.behind.rsplit(":", 1))
        if got.method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Go on\r\n" + self.more + b"\r\n")
        else:
            path = "/" + got.target.split("/", 3)[3]
            lines = [f"{got.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in got.headers.items())]
            out.write("\r\n".join([*lines, "", ""]).encode("latin-1") + got.body)
        await self._join(reader, writer, there, out)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        out: asyncio.StreamWriter,
    ) -> None:
        up = asyncio.create_task(_pump(reader, out))
        self._pumps.add(up)
        await _pump(there, writer)
        up.cancel()
        out.close()


class SocksProxy(Proxy):
    """SOCKS5 with or without a login."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 2 if 2 in methods else 0
        writer.write(bytes([5, method]))
        if method == 2:
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            (length,) = await reader.readexactly(1)
            self.login = user, await reader.readexactly(length)
            writer.write(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        length = (await reader.readexactly(1))[0] if kind == 3 else {1: 4, 4: 16}[kind]
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{host.decode() if kind == 3 else host.hex()}:{port}")
        if self.refusal:
            writer.write(b"\x05\x02\x00\x01" + bytes(6))
            return
        there, out = await asyncio.open_connection(*self.behind.rsplit(":", 1))
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self._join(reader, writer, there, out)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


REFUSAL = answer(407, b"who are you?", Proxy_Authenticate="Basic")
