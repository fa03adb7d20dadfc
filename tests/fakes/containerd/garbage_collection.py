"""containerd's garbage collector: mark what roots refer to, remove the rest.

Roots are images, containers with their snapshots, leases that have not expired with their resources, blobs and
snapshots with the label ``containerd.io/gc.root``, and ingests that have not expired. Labels ``gc.ref.content`` and
``gc.ref.snapshot.NAME`` lead on, and so does a snapshot to its parent. Only leases, snapshots, blobs and ingests are
ever removed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from containerd_client.api.containerd.events import events_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from tests.fakes.containerd.state import Lease, Space, State

ROOT = "containerd.io/gc.root"
EXPIRE = "containerd.io/gc.expire"
FLAT = "containerd.io/gc.flat"
CONTENT_REFERENCE = "containerd.io/gc.ref.content"
SNAPSHOT_REFERENCE = "containerd.io/gc.ref.snapshot."


class Node(NamedTuple):
    """A thing in a namespace. ``kind`` is that of a lease's resource; a flat one does not lead on by its labels."""

    kind: str
    key: str
    flat: bool = False


def collect(state: State) -> list[tuple[str, str, Message]]:
    """Remove what nothing refers to; return namespace, topic and message of the events that tell of it."""
    removed: list[tuple[str, str, Message]] = []
    for name, space in state.spaces.items():
        removed += [(name, *event) for event in _collect_space(space)]
    held = {digest for space in state.spaces.values() for digest in space.content}
    shared = {ingest.expected for space in state.spaces.values() for ingest in space.ingests.values()}
    for digest in set(state.bytes_of) - held - shared:
        del state.bytes_of[digest]
    return removed


def _collect_space(space: Space) -> Iterator[tuple[str, Message]]:
    reached = _reached(space)
    retained = {(node.kind, node.key) for node in reached}
    for lease in [one for one in space.leases if ("leases", one) not in retained]:
        del space.leases[lease]
    for snapshotter, snapshots in space.snapshots.items():
        for key in [one for one in sorted(snapshots) if (f"snapshots/{snapshotter}", one) not in retained]:
            del snapshots[key]
            yield "/snapshot/remove", events_pb2.SnapshotRemove(key=key, snapshotter=snapshotter)
    for ref in [one for one in space.ingests if ("ingests", one) not in retained]:
        del space.ingests[ref]
    for digest in [one for one in space.content if ("content", one) not in retained]:
        del space.content[digest]


def _reached(space: Space) -> set[Node]:
    reached: set[Node] = set()
    waiting = list(_roots(space))
    while waiting:
        node = waiting.pop()
        if node in reached:
            continue
        reached.add(node)
        waiting += _references(space, node)
    return reached


def _roots(space: Space) -> Iterator[Node]:
    for name, lease in space.leases.items():
        if not _expired(lease):
            yield Node("leases", name)
            for kind, keys in lease.resources.items():
                for key in keys:
                    yield Node(kind, key, FLAT in lease.labels)
    for image in space.images.values():
        yield Node("content", image.target.digest)
        yield from _labelled(image.labels)
    for ref, ingest in space.ingests.items():
        if ingest.expires is not None and ingest.expires > time.time():
            yield Node("ingests", ref)
    for digest, blob in space.content.items():
        if ROOT in blob.labels:
            yield Node("content", digest)
    for container in space.containers.values():
        if container.snapshotter:
            yield Node(f"snapshots/{container.snapshotter}", container.snapshot_key)
        yield from _labelled(container.labels)
    for snapshotter, snapshots in space.snapshots.items():
        for key, snapshot in snapshots.items():
            if ROOT in snapshot.labels:
                yield Node(f"snapshots/{snapshotter}", key)


def _references(space: Space, node: Node) -> Iterator[Node]:
    if node.kind == "content" and not node.flat and node.key in space.content:
        yield from _labelled(space.content[node.key].labels)
    elif node.kind == "ingests" and node.key in space.ingests:
        expected = space.ingests[node.key].expected
        if expected:
            yield Node("content", expected)
    elif node.kind.startswith("snapshots/"):
        snapshot = space.snapshots.get(node.kind.removeprefix("snapshots/"), {}).get(node.key)
        if snapshot is not None:
            if snapshot.parent:
                yield Node(node.kind, snapshot.parent, node.flat)
            if not node.flat:
                yield from _labelled(snapshot.labels)


def _labelled(labels: Mapping[str, str]) -> Iterator[Node]:
    for key, value in labels.items():
        if key == CONTENT_REFERENCE or key.startswith((f"{CONTENT_REFERENCE}.", f"{CONTENT_REFERENCE}/")):
            yield Node("content", value)
        elif key.startswith(SNAPSHOT_REFERENCE):
            snapshotter = key.removeprefix(SNAPSHOT_REFERENCE).partition("/")[0]
            yield Node(f"snapshots/{snapshotter}", value)


def _expired(lease: Lease) -> bool:
    expires = lease.labels.get(EXPIRE)
    if expires is None:
        return False
    try:
        return datetime.fromisoformat(expires) < datetime.now(UTC)
    except ValueError:
        # containerd logs a date that it cannot read and keeps the lease.
        return False
