"""containerd.services.streaming.v1 (1.7 and later): named streams beside calls, such as a transfer's progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any

from containerd_client.api.containerd.services.streaming.v1 import streaming_pb2 as pb
from containerd_client.duplex import Duplex

if TYPE_CHECKING:
    from containerd_client.channel import Connection
    from containerd_client.duplex import Conversation


class Streaming:
    """The streaming service, reached as ``client.streaming``; raises Unimplemented before 1.7."""

    def __init__(self, connection: Connection) -> None:
        self._stream: Duplex[Any, Any] = Duplex(
            connection, "containerd.services.streaming.v1.Streaming/Stream", Any.FromString
        )

    async def open(self, stream_id: str) -> Conversation[Any, Any]:
        """Open the stream ``stream_id`` and await containerd's acknowledgement; the caller closes the conversation."""
        conversation = self._stream()
        name = Any()
        name.Pack(pb.StreamInit(id=stream_id), type_url_prefix="")
        # A type URL of Go's typeurl package has no host before the name.
        name.type_url = name.type_url.lstrip("/")
        accepted = False
        try:
            await conversation.ask(name)
            accepted = True
        finally:
            if not accepted:
                conversation.close()
        return conversation
