"""Hold the two connections to one containerd: one for unary calls, one for streams and long waits.

There are two because a stream of events or the bytes of a layer would delay a short call on the same connection. gRPC
merges channels with equal arguments into one connection unless a channel asks for a subchannel pool of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc.aio

from containerd_client.errors import ClientClosed

if TYPE_CHECKING:
    from containerd_client.hops import OnCall, OnHop

MAX_MESSAGE_BYTES: Final = 16 << 20
"""containerd's own limit in both directions (defaults.DefaultMaxRecvMsgSize); gRPC's default is 4 MiB."""

_OPTIONS: Final = (
    # By default gRPC sends the escaped path of a unix socket as :authority, which some servers refuse.
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # An error's text travels as metadata, and a runtime or one of its hooks may say a lot. Beyond gRPC's own 8 KiB the
    # text is lost at random, and its code with it. Go's clients accept as much.
    ("grpc.max_metadata_size", MAX_MESSAGE_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_MESSAGE_BYTES),
    # Connecting to a unix socket costs next to nothing. The longest pause is half of the time for which retry.py
    # retries while containerd is away, so that a call made after containerd came back finds the connection within its
    # own retries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 400),
    # Despite its name, this is how long one attempt to connect may take (the socket listens but does not answer).
    ("grpc.min_reconnect_backoff_ms", 5000),
    # Retries are decided in one place, retry.py.
    ("grpc.enable_retries", 0),
    # Bandwidth probes on a unix socket only add jitter.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.enable_http_proxy", 0),
)


class Connection:
    """What all calls of one client share. Create it inside a running event loop; it connects at the first call."""

    def __init__(
        self, address: str, namespace: str, on_hop: OnHop | None = None, on_call: OnCall | None = None
    ) -> None:
        self.target: Final = target_of(address)
        self.namespace: Final = namespace
        self.on_hop: OnHop | None = on_hop
        self.on_call: OnCall | None = on_call
        self.in_flight = 0
        self.heard_at = 0.0
        """When containerd last answered a call, on the clock of ``time.perf_counter``; 0: never."""
        self.closed = False
        self.unary: Final = grpc.aio.insecure_channel(self.target, options=_OPTIONS)
        self.streams: Final = grpc.aio.insecure_channel(
            self.target, options=(*_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        )

    def require_open(self, method: str) -> None:
        """Raise ClientClosed if the client is closed."""
        if self.closed:
            raise self.closed_error(method)

    def closed_error(self, method: str) -> ClientClosed:
        """Return the error for a call that was made on a closed client or was cut off by closing it."""
        return ClientClosed(method, f"the client of {self.target} is closed")

    def state(self) -> str:
        """``idle``, ``connecting``, ``ready``, ``transient_failure`` or ``closed``."""
        return "closed" if self.closed else self.unary.get_state().name.lower()

    async def close(self) -> None:
        """End all calls and close both connections; calls in flight raise ClientClosed."""
        self.closed = True
        await self.unary.close()
        await self.streams.close()


def target_of(address: str) -> str:
    """Return gRPC's target for a path or a ``unix://`` URL; any other target is returned unchanged."""
    if address.startswith("/"):
        return f"unix:{address}"
    if address.startswith("unix://"):
        return f"unix:{address.removeprefix('unix://')}"
    return address
