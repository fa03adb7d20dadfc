"""The errors between two SPDY peers, and their numbers on the wire (SPDY/3.1, 2.6.3 and 2.6.6)."""

from __future__ import annotations

import enum


class ResetCode(enum.IntEnum):
    """Why a stream ends, in RST_STREAM."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9
    FRAME_TOO_LARGE = 11


class GoAwayCode(enum.IntEnum):
    """Why a connection ends, in GOAWAY."""

    OK = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


class RemoteProtocolError(Exception):
    """The peer broke the rules in a way that ends the connection; a GOAWAY with ``code`` waits to be sent."""

    def __init__(self, message: str, code: GoAwayCode = GoAwayCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


class LocalProtocolError(Exception):
    """The caller asked for something that the protocol forbids at this point; nothing was sent."""
