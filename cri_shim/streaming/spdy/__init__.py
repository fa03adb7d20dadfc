"""SPDY/3.1 without I/O: bytes in, events out, bytes out. Nothing in here knows of sockets or of asyncio."""

from __future__ import annotations

from cri_shim.streaming.spdy.connection import Connection
from cri_shim.streaming.spdy.errors import LocalProtocolError, RemoteProtocolError
from cri_shim.streaming.spdy.limits import Limits

__all__ = ["Connection", "Limits", "LocalProtocolError", "RemoteProtocolError"]
