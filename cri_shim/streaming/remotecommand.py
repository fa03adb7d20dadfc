"""Exec and attach over SPDY: the remotecommand protocols v1 to v4 (docs/streaming.md; kubelet pkg/cri/streaming).

The client opens one stream for each thing it wants, named by its header ``streamtype``; the command begins when all of
them are open. v3 brought the resize stream, v4 the JSON status on the error stream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cri_shim.streaming.remote import ClientGoneError, Output
from cri_shim.streaming.resize import ResizeReader
from cri_shim.streaming.spdy import Limits
from cri_shim.streaming.spdy_session import SpdySession
from cri_shim.streaming.status import status_json, status_text

if TYPE_CHECKING:
    from cri_shim.streaming.remote import Outcome, RequestedStreams, Size
    from cri_shim.streaming.spdy_session import SpdyStream

VERSIONS: Final = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
"""The versions that X-Stream-Protocol-Version may name, the best first."""

SETUP: Final = 30.0
"""Seconds for all streams to arrive."""

FAREWELL: Final = 5.0
"""Seconds for the client to read the end and hang up; after that we do."""

_LIMITS: Final = Limits(streams=8, refusals=8)


class SpdyRemoteClient:
    """The :class:`~.remote.RemoteClient` of one SPDY session."""

    def __init__(self, wanted: RequestedStreams, version: str, *, idle_timeout: float) -> None:
        self._status_json = version == "v4.channel.k8s.io"
        self._missing = {"error"}
        if wanted.stdin:
            self._missing.add("stdin")
        if wanted.stdout:
            self._missing.add("stdout")
        if wanted.stderr:
            self._missing.add("stderr")
        if wanted.tty and version in VERSIONS[:2]:
            self._missing.add("resize")
        self._streams: dict[str, SpdyStream] = {}
        self._complete = asyncio.Event()
        self._resize = ResizeReader()
        self._sizes: list[Size] = []
        self.session = SpdySession(self._opened, idle_timeout=idle_timeout, limits=_LIMITS)

    def _opened(self, stream: SpdyStream) -> bool:
        kind = stream.headers.get("streamtype", "").lower()
        if kind not in self._missing:
            return False
        self._missing.remove(kind)
        self._streams[kind] = stream
        if not self._missing:
            self._complete.set()
        return True

    async def ready(self) -> None:
        """Return when all streams are open.

        Raises ``ClientGoneError`` if they are not open in time.
        """
        waits = [asyncio.ensure_future(self._complete.wait()), asyncio.ensure_future(self.session.gone())]
        try:
            await asyncio.wait(waits, timeout=SETUP, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._complete.is_set():
            raise ClientGoneError(f"the client has not opened its streams {sorted(self._missing)}")

    async def read_stdin(self) -> bytes:
        """See RemoteClient."""
        return await self._streams["stdin"].read()

    async def read_size(self) -> Size:
        """See RemoteClient."""
        while not self._sizes:
            stream = self._streams.get("resize")
            data = await stream.read() if stream is not None else b""
            if not data:
                await self.session.gone()
                raise ClientGoneError("the client is gone")
            self._sizes = self._resize.feed(data)
        return self._sizes.pop(0)

    async def write(self, output: Output, data: bytes) -> None:
        """See RemoteClient."""
        await self._streams[output.value].write(data)

    async def gone(self) -> None:
        """See RemoteClient."""
        await self.session.gone()

    async def finish(self, outcome: Outcome) -> None:
        """See RemoteClient.

        Hanging up first could lose output, because anything that the client still sends would reset the socket.
        """
        word = status_json(outcome) if self._status_json else status_text(outcome)
        if word:
            await self._streams["error"].write(word)
        for kind in ("stdout", "stderr", "error", "resize", "stdin"):
            if stream := self._streams.get(kind):
                stream.end()
        try:
            async with asyncio.timeout(FAREWELL):
                await self.session.gone()
        except TimeoutError:
            self.session.close()
