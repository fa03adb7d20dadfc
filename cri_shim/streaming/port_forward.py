"""Port-forward: connections from the client to ports of a pod, opened inside the pod's network namespace.

Over SPDY each connection is a pair of streams with the headers ``streamtype`` (data or error), ``port`` and
``requestid``; over the WebSocket channels each port is one connection. A connection that cannot be made is reported on
its error stream, and the others go on. When one direction has ended, the other goes on as long as bytes move; a silent
one is cut, since many servers never close a connection whose client has (the plugin cuts it after a second, moving or
not).

A socket belongs to the network namespace of the thread that made it, for life. So a short-lived thread enters the pod's
namespace and makes the socket, and the event loop connects it. Nothing is forked, and no thread of a pool changes its
namespace.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from msgspec import Struct

from cri_shim.kernel import executors
from cri_shim.status_text import status_text
from cri_shim.streaming.remote import ClientGoneError
from cri_shim.streaming.spdy import Limits
from cri_shim.streaming.spdy_session import SpdySession

if TYPE_CHECKING:
    from cri_shim.kernel import Kernel
    from cri_shim.streaming.spdy_session import SpdyStream

PROTOCOL: Final = "portforward.k8s.io"
"""The value of X-Stream-Protocol-Version."""

AFTER_POD: Final = 1.0
"""Seconds that the client may be silent after the pod has ended its direction."""

AFTER_CLIENT: Final = 60.0
"""Seconds that the pod may be silent after the client has ended its direction, which may be how a client waits."""

PAIRING: Final = 30.0
"""Seconds for the second stream of a pair to arrive."""

READ: Final = 256 * 1024
"""The most bytes of one read from a pod's socket."""

_FAMILIES: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_LIMITS: Final = Limits(streams=1024)

log = structlog.get_logger(__name__)


class ForwardRequest(Struct, frozen=True):
    """A port-forward that waits for its client; ``ports`` are those of the RPC, which only WebSocket needs."""

    pod: Pod
    ports: tuple[int, ...]


class Pod(Struct, frozen=True):
    """Where to connect; ``netns_path`` is empty for a pod on the node's own network."""

    id: str
    netns_path: str
    kernel: Kernel

    async def dial(self, port: int) -> socket.socket:
        """Connect to ``port`` on the pod's localhost, IPv4 before IPv6.

        Raises ``OSError`` naming both failures.
        """
        loop = asyncio.get_running_loop()
        failures: list[str] = []
        for family, address in _FAMILIES:
            try:
                sock = await self._socket(family)
            except OSError as error:
                failures.append(f"{address}: {error.strerror or error}")
                continue
            try:
                await loop.sock_connect(sock, (address, port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                failures.append(f"{address}: {error.strerror or error}")
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise OSError(f"cannot connect to port {port} of pod {self.id}: {', '.join(failures)}")

    async def _socket(self, family: int) -> socket.socket:
        make = functools.partial(_new_socket, family)
        if not self.netns_path:
            return make()
        return await executors.run(executors.MOUNT, self.kernel.run_in_network_namespace, self.netns_path, make)


def _new_socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    sock.setblocking(False)  # Python keeps a flag of its own beside the kernel's
    return sock


class Pipe(Protocol):
    """The client's end of one connection."""

    async def read(self) -> bytes:
        """Return bytes for the pod; none at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes from the pod."""
        ...

    def end(self) -> None:
        """Note that the pod sends no more."""
        ...


class _Connection:
    """One connection to a pod and the client's end of it."""

    def __init__(self, sock: socket.socket, pipe: Pipe) -> None:
        self._sock = sock
        self._pipe = pipe
        self._loop = asyncio.get_running_loop()
        self._moved = self._loop.time()

    async def carry(self) -> None:
        """Carry bytes both ways until both directions have ended, or one has and the other is silent."""
        up, down = asyncio.create_task(self._up()), asyncio.create_task(self._down())
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            silence = AFTER_POD if down.done() else AFTER_CLIENT
            ended = self._loop.time()
            while not (up.done() and down.done()):
                left = max(ended, self._moved) + silence - self._loop.time()
                if left <= 0:
                    return
                await asyncio.wait({up, down}, timeout=left, return_when=asyncio.ALL_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._sock.close()

    async def _up(self) -> None:
        while data := await self._pipe.read():
            await self._loop.sock_sendall(self._sock, data)
            self._moved = self._loop.time()
        self._sock.shutdown(socket.SHUT_WR)

    async def _down(self) -> None:
        while data := await self._loop.sock_recv(self._sock, READ):
            await self._pipe.write(data)
            self._moved = self._loop.time()
        self._pipe.end()


async def carry(sock: socket.socket, pipe: Pipe) -> None:
    """Carry bytes both ways until the connection is over, and close the socket."""
    await _Connection(sock, pipe).carry()


class _Pair(Struct):
    timer: asyncio.TimerHandle
    data: SpdyStream | None = None
    error: SpdyStream | None = None


class SpdyForward:
    """All connections of one SPDY session."""

    def __init__(self, pod: Pod, *, idle_timeout: float) -> None:
        self._pod = pod
        self._pairs: dict[str, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.session = SpdySession(self._opened, idle_timeout=idle_timeout, limits=_LIMITS)

    async def run(self) -> None:
        """Forward until the client is gone."""
        try:
            await self.session.gone()
        finally:
            for pair in self._pairs.values():
                pair.timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _opened(self, stream: SpdyStream) -> bool:
        kind, port = stream.headers.get("streamtype", "").lower(), stream.headers.get("port", "")
        if kind not in ("data", "error") or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
            return False
        # Old clients do not number requests: their error stream comes first, and the data stream has the next id.
        request = stream.headers.get("requestid") or str(stream.id if kind == "error" else stream.id - 2)
        pair = self._pairs.get(request)
        if pair is None:
            timer = asyncio.get_running_loop().call_later(PAIRING, self._unpaired, request)
            pair = self._pairs[request] = _Pair(timer)
        if kind == "data":
            if pair.data is not None:
                return False
            pair.data = stream
        else:
            if pair.error is not None:
                return False
            pair.error = stream
        if pair.data is not None and pair.error is not None:
            self._pairs.pop(request).timer.cancel()
            task = asyncio.create_task(self._forward(int(port), pair.data, pair.error))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    def _unpaired(self, request: str) -> None:
        pair = self._pairs.pop(request, None)
        if pair is not None:
            for stream in (pair.data, pair.error):
                if stream is not None:
                    stream.reset()

    async def _forward(self, port: int, data: SpdyStream, error: SpdyStream) -> None:
        try:
            try:
                sock = await self._pod.dial(port)
            except OSError as failure:
                log.info("portforward.failed", sandbox_id=self._pod.id, port=port, error=str(failure))
                await error.write(status_text(str(failure)).encode())
                error.end()
                return
            error.end()
            await carry(sock, data)
        except ClientGoneError:
            return
        finally:
            data.end()
            data.reset()
            error.reset()
