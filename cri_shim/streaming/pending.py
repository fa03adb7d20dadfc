"""What the streaming server and its HTTP part share: a request that waits for its client.

It has a file of its own because both need it and only the server may know the HTTP part, which it loads late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from cri_shim.streaming.port_forward import ForwardRequest
    from cri_shim.streaming.remote import RemoteRequest

BACKLOG: Final = 128
"""Connections that may wait to be accepted."""


class Pending(Struct, frozen=True):
    """A request that waits for its client.

    ``kind`` is the first word of the path: exec, attach or portforward.
    """

    kind: str
    request: RemoteRequest | ForwardRequest
