"""SPDY/3.1 without I/O: bytes in, events out, bytes out.

Nothing here imports sockets or asyncio, so that the codec can be tested byte by byte.

It may import only the standard library; it must never do input or output.
"""

from __future__ import annotations

from cri_shim.streaming.spdy.connection import Connection
from cri_shim.streaming.spdy.errors import LocalProtocolError, RemoteProtocolError
from cri_shim.streaming.spdy.limits import Limits

__all__ = ["Connection", "Limits", "LocalProtocolError", "RemoteProtocolError"]
