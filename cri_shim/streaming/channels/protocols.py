"""The sub-protocols and how they differ; the names are those that a client offers in Sec-WebSocket-Protocol.

Theory of operation. Every message belongs to one channel: its first byte is the channel's number, the rest are bytes of
that channel. In the base64 variants messages are text, the number is a digit and the rest is base64. v4 reports the end
of a command as a JSON status on the error channel where earlier versions have plain text; v5 can end a channel (the
number 255, then the channel's), without which a client cannot end a command's stdin. For a port-forward each port has
two channels, data and error, and the first message on each carries the port, little endian. (Kubernetes: apimachinery
util/remotecommand/constants.go, kubelet's portforward/websocket.go)
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class ChannelProtocol(Struct, frozen=True):
    """One sub-protocol."""

    name: str
    base64: bool = False
    status_json: bool = False
    """The error channel carries a v4 status, not a line of text."""
    close_channel: bool = False
    """A client can end a channel."""


_ALL: Final = (
    ChannelProtocol("v5.channel.k8s.io", status_json=True, close_channel=True),
    ChannelProtocol("v4.channel.k8s.io", status_json=True),
    ChannelProtocol("v4.base64.channel.k8s.io", base64=True, status_json=True),
    ChannelProtocol("channel.k8s.io"),
    ChannelProtocol("base64.channel.k8s.io", base64=True),
    ChannelProtocol(""),
)

BY_NAME: Final = {protocol.name: protocol for protocol in _ALL}
"""All of them, the best first; the nameless one is for clients that offer none."""

PORT_FORWARD_TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
"""A sub-protocol without channels: binary messages that carry a SPDY connection, split anywhere (client-go
tools/portforward).
"""
