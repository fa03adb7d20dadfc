"""containerd.services.diff.v1: unpack a layer's blob onto mounts (apply), write the difference of mounts (diff)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.diff.v1 import diff_pb2 as pb
from containerd_client.call import Unary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.any_pb2 import Any

    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.diff.v1.Diff"


class Diff:
    """The diff service, reached as ``client.diff``. Both calls may take long; neither is retried once it was sent."""

    def __init__(self, connection: Connection) -> None:
        self._apply: Unary[pb.ApplyRequest, pb.ApplyResponse] = Unary(
            connection, f"{_SERVICE}/Apply", pb.ApplyResponse.FromString
        )
        self._diff: Unary[pb.DiffRequest, pb.DiffResponse] = Unary(
            connection, f"{_SERVICE}/Diff", pb.DiffResponse.FromString
        )

    async def apply(
        self,
        descriptor: types_pb2.Descriptor,
        mounts: Iterable[types_pb2.Mount],
        *,
        payloads: Mapping[str, Any] | None = None,
        sync_fs: bool = False,
    ) -> types_pb2.Descriptor:
        """Unpack the blob of ``descriptor`` onto ``mounts``; the returned descriptor's digest is the layer's diff id.

        With ``sync_fs`` containerd writes the data to disk before it answers (1.7 and later; older ones ignore it).
        """
        request = pb.ApplyRequest(diff=descriptor, mounts=mounts, payloads=payloads, sync_fs=sync_fs)
        return (await self._apply(request)).applied

    async def diff(
        self,
        left: Iterable[types_pb2.Mount],
        right: Iterable[types_pb2.Mount],
        *,
        media_type: str = "",
        ref: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> types_pb2.Descriptor:
        """Write what ``right`` has and ``left`` lacks into the content store; returns the blob's descriptor."""
        request = pb.DiffRequest(left=left, right=right, media_type=media_type, ref=ref, labels=labels)
        return (await self._diff(request)).diff
