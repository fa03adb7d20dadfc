"""Decode and encode the messages of one connection under one sub-protocol."""

from __future__ import annotations

import base64
import binascii
import enum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from cri_shim.streaming.channels.protocols import ChannelProtocol

_CLOSE: Final = 255
_LARGEST_DIGIT: Final = 9


class Channel(enum.IntEnum):
    """The channels of a remote command."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


class ChannelError(Exception):
    """The client sent a message that has no meaning in the sub-protocol; the connection ends."""


class ChannelData(Struct, frozen=True):
    """Bytes for a channel; may be empty."""

    channel: int
    data: bytes


class ChannelEnd(Struct, frozen=True):
    """The client will send no more on a channel."""

    channel: int


class ChannelCodec:
    """Turns messages into events and back; ``channels`` is how many exist: five for a command, two for each port."""

    def __init__(self, protocol: ChannelProtocol, channels: int = len(Channel)) -> None:
        self.protocol = protocol
        self._channels = channels

    def decode(self, message: bytes | str) -> ChannelData | ChannelEnd:
        """Return what a message means; text and binary messages are treated alike, as other servers do.

        Raises ``ChannelError`` for an empty message, an unknown channel, or text that is not base64.
        """
        raw = message.encode() if isinstance(message, str) else message
        if not raw:
            raise ChannelError("a message has no channel number")
        if self.protocol.base64:
            number = raw[0] - ord("0")
            try:
                data = base64.b64decode(raw[1:], validate=True)
            except (binascii.Error, ValueError) as error:
                raise ChannelError(f"message on channel {number} is not base64: {error}") from None
        else:
            number, data = raw[0], raw[1:]
        if self.protocol.close_channel and number == _CLOSE:
            if len(data) != 1:
                raise ChannelError("a closing message names no channel")
            return ChannelEnd(self._checked(data[0]))
        return ChannelData(self._checked(number), data)

    def _checked(self, number: int) -> int:
        if not 0 <= number < self._channels:
            raise ChannelError(f"channel {number} does not exist, there are {self._channels}")
        return number

    def encode(self, channel: int, data: bytes) -> bytes | str:
        """Return the message that carries ``data``: text under a base64 variant, else binary."""
        if not self.protocol.base64:
            return bytes((channel,)) + data
        if channel > _LARGEST_DIGIT:
            raise ChannelError(f"channel {channel} has no digit")
        return f"{channel}{base64.b64encode(data).decode()}"

    def encode_end(self, channel: int) -> bytes | None:
        """Return the message that ends a channel, or None if the sub-protocol has none."""
        return bytes((_CLOSE, channel)) if self.protocol.close_channel else None
