"""containerd.services.snapshots.v1: the layered file systems of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2 as pb
from containerd_client.call import Unary
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import NotFound
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.snapshots.v1.Snapshots"


class SnapshotService:
    """The methods for any snapshotter; :class:`Snapshots` adds the snapshotter's name."""

    def __init__(self, connection: Connection) -> None:
        self.prepare: Unary[pb.PrepareSnapshotRequest, pb.PrepareSnapshotResponse] = Unary(
            connection, f"{_SERVICE}/Prepare", pb.PrepareSnapshotResponse.FromString, check=self._check_prepared
        )
        self.view: Unary[pb.ViewSnapshotRequest, pb.ViewSnapshotResponse] = Unary(
            connection, f"{_SERVICE}/View", pb.ViewSnapshotResponse.FromString, check=self._check_viewed
        )
        self.mounts: Unary[pb.MountsRequest, pb.MountsResponse] = Unary(
            connection, f"{_SERVICE}/Mounts", pb.MountsResponse.FromString
        )
        self.commit: Unary[pb.CommitSnapshotRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Commit", Empty.FromString, check=self._check_committed
        )
        self.remove: Unary[pb.RemoveSnapshotRequest, Empty] = Unary(connection, f"{_SERVICE}/Remove", Empty.FromString)
        self.stat: Unary[pb.StatSnapshotRequest, pb.StatSnapshotResponse] = Unary(
            connection, f"{_SERVICE}/Stat", pb.StatSnapshotResponse.FromString
        )
        self.update: Unary[pb.UpdateSnapshotRequest, pb.UpdateSnapshotResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateSnapshotResponse.FromString
        )
        self.list: ServerStream[pb.ListSnapshotsRequest, pb.ListSnapshotsResponse] = ServerStream(
            connection, f"{_SERVICE}/List", pb.ListSnapshotsResponse.FromString
        )
        self.usage: Unary[pb.UsageRequest, pb.UsageResponse] = Unary(
            connection, f"{_SERVICE}/Usage", pb.UsageResponse.FromString
        )
        self.cleanup: Unary[pb.CleanupRequest, Empty] = Unary(connection, f"{_SERVICE}/Cleanup", Empty.FromString)

    async def _find(self, snapshotter: str, key: str) -> pb.Info | None:
        try:
            return (await self.stat(pb.StatSnapshotRequest(snapshotter=snapshotter, key=key))).info
        except NotFound:
            return None

    async def _mounts_if(
        self, request: pb.PrepareSnapshotRequest | pb.ViewSnapshotRequest, kind: pb.Kind.ValueType
    ) -> pb.MountsResponse | None:
        info = await self._find(request.snapshotter, request.key)
        if info is None or info.kind != kind or info.parent != request.parent:
            return None
        return await self.mounts(pb.MountsRequest(snapshotter=request.snapshotter, key=request.key))

    async def _check_prepared(self, request: pb.PrepareSnapshotRequest) -> pb.PrepareSnapshotResponse | None:
        mounts = await self._mounts_if(request, pb.ACTIVE)
        return None if mounts is None else pb.PrepareSnapshotResponse(mounts=mounts.mounts)

    async def _check_viewed(self, request: pb.ViewSnapshotRequest) -> pb.ViewSnapshotResponse | None:
        mounts = await self._mounts_if(request, pb.VIEW)
        return None if mounts is None else pb.ViewSnapshotResponse(mounts=mounts.mounts)

    async def _check_committed(self, request: pb.CommitSnapshotRequest) -> Empty | None:
        # A commit turns the active snapshot into the committed one. Unless the active one is gone and the committed one
        # exists, the commit was not ours.
        if await self._find(request.snapshotter, request.key) is not None:
            return None
        info = await self._find(request.snapshotter, request.name)
        return Empty() if info is not None and info.kind == pb.COMMITTED else None


class Snapshots:
    """The snapshots of one snapshotter, reached as ``client.snapshots("overlayfs")``.

    A key names an active snapshot, a name a committed one; keys and names share one name space.
    """

    def __init__(self, service: SnapshotService, name: str) -> None:
        self._service = service
        self.name = name

    async def stat(self, key: str) -> pb.Info:
        """Return kind, parent, labels and timestamps; raises NotFound."""
        return (await self._service.stat(pb.StatSnapshotRequest(snapshotter=self.name, key=key))).info

    async def prepare(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> list[types_pb2.Mount]:
        """Create a writable snapshot on top of ``parent`` and return its mounts; raises AlreadyExists, NotFound."""
        request = pb.PrepareSnapshotRequest(snapshotter=self.name, key=key, parent=parent, labels=labels)
        return list((await self._service.prepare(request)).mounts)

    async def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[types_pb2.Mount]:
        """Create a read-only snapshot on top of ``parent`` and return its mounts; raises AlreadyExists, NotFound."""
        request = pb.ViewSnapshotRequest(snapshotter=self.name, key=key, parent=parent, labels=labels)
        return list((await self._service.view(request)).mounts)

    async def mounts(self, key: str) -> list[types_pb2.Mount]:
        """Return the mounts of an active snapshot or a view; raises NotFound."""
        return list((await self._service.mounts(pb.MountsRequest(snapshotter=self.name, key=key))).mounts)

    async def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None) -> None:
        """Commit the active snapshot ``key`` under ``name``; raises AlreadyExists, NotFound."""
        await self._service.commit(pb.CommitSnapshotRequest(snapshotter=self.name, name=name, key=key, labels=labels))

    async def remove(self, key: str) -> None:
        """Remove a snapshot; raises NotFound, or FailedPrecondition while it has children."""
        await self._service.remove(pb.RemoveSnapshotRequest(snapshotter=self.name, key=key))

    async def update(self, info: pb.Info, *fieldpaths: str) -> pb.Info:
        """Change labels (``labels`` or ``labels.key``); raises NotFound."""
        request = pb.UpdateSnapshotRequest(snapshotter=self.name, info=info, update_mask=field_mask(fieldpaths))
        return (await self._service.update(request)).info

    async def usage(self, key: str) -> tuple[int, int]:
        """Return bytes and inodes of this snapshot without its parents; containerd walks the files of an active one."""
        response = await self._service.usage(pb.UsageRequest(snapshotter=self.name, key=key))
        return max(response.size, 0), max(response.inodes, 0)  # a snapshotter may answer any number

    async def cleanup(self) -> None:
        """Delete what removed snapshots left on disk; raises Unimplemented if the snapshotter does not need this."""
        await self._service.cleanup(pb.CleanupRequest(snapshotter=self.name))

    async def list(self, *filters: str) -> list[pb.Info]:
        """Return the snapshots that match any of ``filters``, or all if there are none."""
        request = pb.ListSnapshotsRequest(snapshotter=self.name, filters=filters)
        return [info for message in await self._service.list.collect(request) for info in message.info]
