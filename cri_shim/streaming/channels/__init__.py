"""The WebSocket sub-protocols of Kubernetes, without I/O: messages in, events out; bytes in, messages out.

This room may import only the standard library. It must never import sockets or asyncio.
"""

from __future__ import annotations

from cri_shim.streaming.channels.codec import Channel, ChannelCodec, ChannelData, ChannelEnd, ChannelError
from cri_shim.streaming.channels.protocols import BY_NAME, PORT_FORWARD_TUNNEL, ChannelProtocol

__all__ = [
    "BY_NAME",
    "PORT_FORWARD_TUNNEL",
    "Channel",
    "ChannelCodec",
    "ChannelData",
    "ChannelEnd",
    "ChannelError",
    "ChannelProtocol",
]
