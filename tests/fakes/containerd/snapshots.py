"""containerd.services.snapshots.v1 of the fake: metadata in dictionaries, and a directory for each snapshot.

The directories are made below the fake's root as overlayfs has them (``snapshots/NUMBER/fs``, and ``work`` for an
active one), so that a test may put files into a snapshot and Usage counts them. Nothing is mounted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2 as pb
from tests.fakes.containerd.filters import Filters, label_field
from tests.fakes.containerd.identifiers import validate_labels
from tests.fakes.containerd.leases import lease_of
from tests.fakes.containerd.overlay import mounts_of, number_path
from tests.fakes.containerd.refusals import (
    Refusal,
    already_exists,
    bare,
    failed_precondition,
    invalid_argument,
    not_found,
)
from tests.fakes.containerd.state import Snapshot, now
from tests.fakes.containerd.updates import updated_labels, without_empty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from google.protobuf.message import Message

    from containerd_client.api.containerd.types import types_pb2
    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

TARGET = "containerd.io/snapshot.ref"
BATCH = 100


class Snapshots:
    """The methods, for every snapshotter of the fake."""

    descriptor = pb.DESCRIPTOR.services_by_name["Snapshots"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def prepare(self, request: pb.PrepareSnapshotRequest, call: Call) -> pb.PrepareSnapshotResponse:
        """Make a snapshot to write to."""
        mounts = self._create(request, pb.ACTIVE, call)
        prepared = self._event(events_pb2.SnapshotPrepare, request.snapshotter, key=request.key, parent=request.parent)
        self._backend.bus.publish(call.namespace, "/snapshot/prepare", prepared)
        return pb.PrepareSnapshotResponse(mounts=mounts)

    async def view(self, request: pb.ViewSnapshotRequest, call: Call) -> pb.ViewSnapshotResponse:
        """Make a snapshot to read from; no event tells of it."""
        mounts = self._create(request, pb.VIEW, call)
        return pb.ViewSnapshotResponse(mounts=mounts)

    async def mounts(self, request: pb.MountsRequest, call: Call) -> pb.MountsResponse:
        """Return how to mount a snapshot."""
        snapshot = self._find(request.snapshotter, request.key, call)
        if snapshot.kind == pb.COMMITTED:
            key = self._backend_key(snapshot, request.key, call)
            text = f"failed to get active mount: requested snapshot {key} not active or view"
            raise failed_precondition(text)
        return pb.MountsResponse(mounts=self._mounts(request.snapshotter, snapshot, call))

    async def commit(self, request: pb.CommitSnapshotRequest, call: Call) -> Empty:
        """Turn an active snapshot into a committed one."""
        snapshots = self._snapshots(request.snapshotter, call)
        validate_labels(request.labels, "info.Labels", self._backend.version)
        if not snapshots:
            raise not_found(f'can not find snapshotter "{request.snapshotter}"')
        if request.name in snapshots:
            raise already_exists(f'snapshot "{request.name}"')
        lease = lease_of(self._backend.state[call.namespace], call)
        active = self._find(request.snapshotter, request.key, call)
        if active.kind != pb.ACTIVE:
            key = self._backend_key(active, request.key, call)
            named = f" {key}" if self._backend.version >= (1, 7) else ""
            raise failed_precondition(f'failed to commit snapshot{named}: snapshot "{key}" is not active')
        usage = self._usage_on_disk(request.snapshotter, active)
        labels = without_empty(request.labels)
        snapshots[request.name] = Snapshot(active.number, pb.COMMITTED, active.parent, labels, usage=usage)
        del snapshots[request.key]
        if lease is not None:
            lease.add(f"snapshots/{request.snapshotter}", request.name)
            lease.discard(f"snapshots/{request.snapshotter}", request.key)
        committed = self._event(events_pb2.SnapshotCommit, request.snapshotter, key=request.key, name=request.name)
        self._backend.bus.publish(call.namespace, "/snapshot/commit", committed)
        return Empty()

    async def remove(self, request: pb.RemoveSnapshotRequest, call: Call) -> Empty:
        """Remove a snapshot that nothing is built on."""
        self._find(request.snapshotter, request.key, call)
        snapshots = self._snapshots(request.snapshotter, call)
        if any(one.parent == request.key for one in snapshots.values()):
            raise failed_precondition("cannot remove snapshot with child")
        del snapshots[request.key]
        lease = self._backend.state[call.namespace].leases.get(call.lease)
        if lease is not None:
            lease.discard(f"snapshots/{request.snapshotter}", request.key)
        self._backend.removed_something()
        removed = self._event(events_pb2.SnapshotRemove, request.snapshotter, key=request.key)
        self._backend.bus.publish(call.namespace, "/snapshot/remove", removed)
        return Empty()

    async def stat(self, request: pb.StatSnapshotRequest, call: Call) -> pb.StatSnapshotResponse:
        """Return one snapshot."""
        snapshot = self._find(request.snapshotter, request.key, call)
        return pb.StatSnapshotResponse(info=_info(request.key, snapshot))

    async def update(self, request: pb.UpdateSnapshotRequest, call: Call) -> pb.UpdateSnapshotResponse:
        """Change labels."""
        if not request.info.name:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "invalid argument")
        snapshot = self._find(request.snapshotter, request.info.name, call)
        refusal = f'cannot update "{{path}}" field on snapshot "{request.info.name}"'
        labels = updated_labels(snapshot.labels, request.info.labels, request.update_mask.paths, refusal)
        validate_labels(labels, "info.Labels", self._backend.version)
        snapshot.labels = labels
        snapshot.updated_at = now()
        return pb.UpdateSnapshotResponse(info=_info(request.info.name, snapshot))

    async def list(self, request: pb.ListSnapshotsRequest, call: Call) -> AsyncIterator[pb.ListSnapshotsResponse]:
        """Return snapshots in batches."""
        snapshots = self._snapshots(request.snapshotter, call)
        try:
            filters = Filters(request.filters)
        except Refusal as refusal:
            raise bare(grpc.StatusCode.UNKNOWN, refusal.text) from None
        infos = filters.select((_info(key, one) for key, one in sorted(snapshots.items())), _field)
        for start in range(0, len(infos), BATCH):
            yield pb.ListSnapshotsResponse(info=infos[start : start + BATCH])

    async def usage(self, request: pb.UsageRequest, call: Call) -> pb.UsageResponse:
        """Return bytes and inodes: of an active snapshot as they are on disk, of a committed one as they were."""
        snapshot = self._find(request.snapshotter, request.key, call)
        size, inodes = snapshot.usage
        if snapshot.kind == pb.ACTIVE:
            size, inodes = self._usage_on_disk(request.snapshotter, snapshot)
        return pb.UsageResponse(size=size, inodes=inodes)

    async def cleanup(self, request: pb.CleanupRequest, call: Call) -> Empty:
        """Refuse: the metadata in front of the snapshotters does not hand it on."""
        self._snapshots(request.snapshotter, call)
        text = "snapshotter does not implement Cleanup method: not implemented"
        raise bare(grpc.StatusCode.UNIMPLEMENTED, text)

    def directory(self, snapshotter: str, number: int) -> Path:
        """Return the directory with the files of a snapshot."""
        return self._backend.snapshots_directory(snapshotter) / str(number) / "fs"

    def _create(
        self,
        request: pb.PrepareSnapshotRequest | pb.ViewSnapshotRequest,
        kind: pb.Kind.ValueType,
        call: Call,
    ) -> Sequence[types_pb2.Mount]:
        self._snapshots(request.snapshotter, call)
        space = self._backend.state.writable(call.namespace)
        snapshots = space.snapshots.setdefault(request.snapshotter, {})
        validate_labels(request.labels, "info.Labels", self._backend.version)
        target = request.labels.get(TARGET, "")
        if target and target in snapshots:
            self._lease_existing(request.snapshotter, target, call)
            raise already_exists(f'target snapshot "{target}"')
        if request.key in snapshots:
            self._lease_existing(request.snapshotter, request.key, call)
            raise already_exists(f'snapshot "{request.key}"')
        if request.parent and request.parent not in snapshots:
            raise not_found(f"parent snapshot {request.parent} does not exist")
        if request.parent and snapshots[request.parent].kind != pb.COMMITTED:
            parent = snapshots[request.parent]
            key = self._backend_key(parent, request.parent, call)
            raise invalid_argument(f'failed to create snapshot: parent "{key}" is not committed snapshot')
        lease = lease_of(space, call)
        made = Snapshot(self._backend.state.new_snapshot(), kind, request.parent, without_empty(request.labels))
        snapshots[request.key] = made
        if lease is not None:
            lease.add(f"snapshots/{request.snapshotter}", request.key)
        directory = self.directory(request.snapshotter, made.number)
        directory.mkdir(parents=True, exist_ok=True)
        if kind == pb.ACTIVE:
            directory.with_name("work").mkdir(exist_ok=True)
        return self._mounts(request.snapshotter, made, call)

    def _lease_existing(self, snapshotter: str, key: str, call: Call) -> None:
        """Since 2.0, a snapshot that is there already comes under the lease of the call that wanted to make it."""
        if self._backend.version >= (2, 0):
            lease = lease_of(self._backend.state[call.namespace], call)
            if lease is not None:
                lease.add(f"snapshots/{snapshotter}", key)

    def _snapshots(self, snapshotter: str, call: Call) -> dict[str, Snapshot]:
        if not snapshotter:
            raise invalid_argument("snapshotter argument missing")
        if snapshotter not in self._backend.snapshotters:
            raise invalid_argument(f"snapshotter not loaded: {snapshotter}")
        return self._backend.state[call.required_namespace()].snapshots.get(snapshotter, {})

    def _find(self, snapshotter: str, key: str, call: Call) -> Snapshot:
        snapshot = self._snapshots(snapshotter, call).get(key)
        if snapshot is None:
            raise not_found(f"snapshot {key} does not exist")
        return snapshot

    def _mounts(self, snapshotter: str, snapshot: Snapshot, call: Call) -> Sequence[types_pb2.Mount]:
        snapshots = self._snapshots(snapshotter, call)
        parents = []
        parent = snapshot.parent
        while parent:
            parents.append(snapshots[parent].number)
            parent = snapshots[parent].parent
        return mounts_of(self._backend.snapshots_directory(snapshotter), snapshot, parents, self._backend.version)

    def _usage_on_disk(self, snapshotter: str, snapshot: Snapshot) -> tuple[int, int]:
        top = number_path(self._backend.snapshots_directory(snapshotter), snapshot.number)
        stats = [os.lstat(top)] if top.exists() else []
        for directory, subdirectories, files in os.walk(top):
            stats += [os.lstat(os.path.join(directory, name)) for name in (*subdirectories, *files)]
        sizes = {(one.st_dev, one.st_ino): one.st_blocks * 512 for one in stats}
        return sum(sizes.values()), len(sizes)

    def _backend_key(self, snapshot: Snapshot, key: str, call: Call) -> str:
        """Return a key as the snapshotter behind the metadata knows it, which some errors name."""
        return f"{call.namespace}/{snapshot.number}/{key}"

    def _event(self, kind: type[Message], snapshotter: str, **fields: str) -> Message:
        """Make an event; since 1.7 it names the snapshotter."""
        if self._backend.version >= (1, 7):
            fields["snapshotter"] = snapshotter
        return kind(**fields)


def _info(key: str, snapshot: Snapshot) -> pb.Info:
    return pb.Info(
        name=key,
        parent=snapshot.parent,
        kind=snapshot.kind,
        created_at=snapshot.created_at,
        updated_at=snapshot.updated_at,
        labels=snapshot.labels,
    )


def _field(info: pb.Info, path: Sequence[str]) -> tuple[str, bool]:
    if path[0] == "labels":
        return label_field(path[1:], info.labels)
    fields = {"name": info.name, "parent": info.parent, "kind": pb.Kind.Name(info.kind).lower()}
    return fields.get(path[0], ""), path[0] in fields
