"""containerd.services.events.v1: the event bus, and a subscription that survives restarts of containerd.

Before its first event, containerd sends nothing on a subscription, not even headers. The stream itself therefore does
not show when the subscription exists, and an event that is published before that moment is lost. To find out, the
client publishes a probe event under a topic that is used once, and repeats it until it comes back on the stream. All
events published after that moment arrive, so no event between ``on_open`` and the first one is missed. The probe puts a
few bytes on the bus, once per (re)connect; subscribers without filters see it under ``/containerd-client/opened/…``.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.events.v1 import events_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from containerd_client.call import Unary
from containerd_client.errors import ClientClosed, ContainerdError, InvalidArgument, Unavailable, Unimplemented, Unknown
from containerd_client.options import call_options, detached_options
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.events.v1.Events"
_PROBE_TOPIC: Final = "/containerd-client/opened"
_PROBE_SECONDS: Final = 5.0
_OPENED_SECONDS: Final = 15.0
"""How long the probe events together may take to come back; a subscription that delivers none is given up."""
_BAD_FILTER: Final = "failed parsing subscription filters"
_FIRST_KNOCK: Final = 0.005
_LONGEST_KNOCK: Final = 0.5
_FIRST_BACKOFF: Final = 0.1
# A containerd that comes back publishes at once what its shims have kept for it, so the pause must be short; a refused
# connection attempt costs next to nothing.
_LONGEST_BACKOFF: Final = 0.3


class Events:
    """The event bus, reached as ``client.events``.

    Filters are in containerd's syntax: ``topic=="/tasks/exit"``, ``topic~="^/images/"``.
    """

    def __init__(self, connection: Connection) -> None:
        self._publish: Unary[pb.PublishRequest, Empty] = Unary(connection, f"{_SERVICE}/Publish", Empty.FromString)
        self._forward: Unary[pb.ForwardRequest, Empty] = Unary(connection, f"{_SERVICE}/Forward", Empty.FromString)
        self._subscribe: ServerStream[pb.SubscribeRequest, types_pb2.Envelope] = ServerStream(
            connection, f"{_SERVICE}/Subscribe", types_pb2.Envelope.FromString
        )

    async def publish(self, topic: str, event: Any) -> None:
        """Publish an event in this client's namespace; ``topic`` begins with a slash."""
        await self._publish(pb.PublishRequest(topic=topic, event=event))

    async def forward(self, envelope: types_pb2.Envelope) -> None:
        """Publish an envelope unchanged."""
        await self._forward(pb.ForwardRequest(envelope=envelope))

    async def subscribe(
        self, *filters: str, on_open: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncGenerator[types_pb2.Envelope, None]:
        """Yield events of all namespaces that match any of ``filters``; raises Unavailable when the connection breaks.

        ``on_open`` is awaited once the subscription exists and before the first event is yielded; events that arrive
        meanwhile are buffered. Close the generator (``contextlib.aclosing``) if you leave it early.
        """
        topic = f"{_PROBE_TOPIC}/{secrets.token_hex(8)}" if on_open is not None else ""
        wanted = (*filters, f'topic=="{topic}"') if filters and topic else filters
        async with aclosing(self._opened_stream(wanted)) as stream:
            if on_open is not None:
                early = await self._established(stream, topic)
                await on_open()
                for envelope in early:
                    yield envelope
            async for envelope in stream:
                if not topic or envelope.topic != topic:
                    yield envelope
        raise Unavailable(self._subscribe.method, "containerd ended the subscription")

    async def forever(
        self,
        *filters: str,
        on_open: Callable[[], Awaitable[None]] | None = None,
        on_lost: Callable[[ContainerdError], None] | None = None,
    ) -> AsyncGenerator[types_pb2.Envelope, None]:
        """Yield events across breaks: each break is followed by a new subscription after 0.1 s to 0.3 s.

        ``on_open`` is awaited after every (re)connect; it must re-read what was missed in between. If it raises a
        ContainerdError, that counts as a break; any other exception ends the iteration. So do errors that a new attempt
        cannot cure: InvalidArgument (a malformed filter), Unimplemented, and closing the client. ``on_lost`` is called
        for every break and for every failed attempt, before the pause.
        """
        pause = _FIRST_BACKOFF

        async def opened() -> None:
            nonlocal pause
            if on_open is not None:
                await on_open()
            pause = _FIRST_BACKOFF

        while True:
            try:
                async with aclosing(self.subscribe(*filters, on_open=opened)) as events:
                    async for envelope in events:
                        yield envelope
            except (InvalidArgument, Unimplemented, ClientClosed):
                raise
            except ContainerdError as error:
                if on_lost is not None:
                    on_lost(error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_BACKOFF)

    async def _opened_stream(self, filters: tuple[str, ...]) -> AsyncGenerator[types_pb2.Envelope, None]:
        async with aclosing(self._subscribe(pb.SubscribeRequest(filters=filters))) as stream:
            try:
                async for envelope in stream:
                    yield envelope
            except Unknown as error:
                # Here containerd answers Unknown, while everywhere else it answers a malformed filter with
                # InvalidArgument.
                if _BAD_FILTER in error.detail:
                    raise InvalidArgument(error.method, error.detail) from None
                raise

    async def _established(
        self, stream: AsyncGenerator[types_pb2.Envelope, None], topic: str
    ) -> list[types_pb2.Envelope]:
        """Publish probe events until one comes back; return the events that arrived before it."""
        hearing = asyncio.create_task(_heard_before(stream, topic))
        knocking = asyncio.create_task(self._knock(topic))
        try:
            done, _ = await asyncio.wait(
                {hearing, knocking}, timeout=_OPENED_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if hearing.done():
                return hearing.result()
            if not done:
                raise Unavailable(
                    self._subscribe.method, f"no event of this client has come back within {_OPENED_SECONDS:g} s"
                )
            # The probing task ends only by failing.
            knocking.result()
            raise AssertionError("knocking ended by itself")
        finally:
            hearing.cancel()
            knocking.cancel()
            # The stream may be closed only after the last read from it has ended.
            await asyncio.gather(hearing, knocking, return_exceptions=True)

    async def _knock(self, topic: str) -> None:
        with detached_options(), call_options(timeout=_PROBE_SECONDS):
            pause = _FIRST_KNOCK
            event = Any(type_url="google.protobuf.Empty")
            while True:
                await self.publish(topic, event)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_KNOCK)


async def _heard_before(stream: AsyncGenerator[types_pb2.Envelope, None], topic: str) -> list[types_pb2.Envelope]:
    early: list[types_pb2.Envelope] = []
    async for envelope in stream:
        if envelope.topic == topic:
            return early
        early.append(envelope)
    raise Unavailable(f"{_SERVICE}/Subscribe", "containerd ended the subscription")
