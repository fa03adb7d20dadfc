"""Everything the fake holds, as plain dictionaries by namespace: what a test looks at to see what is left behind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containerd_client.api.containerd.services.containers.v1 import containers_pb2
    from containerd_client.api.containerd.services.images.v1 import images_pb2
    from tests.fakes.containerd.processes import Task

NEVER = Timestamp(seconds=-62135596800)
"""Go's zero time, for what has not happened yet."""


def now() -> Timestamp:
    """Return the time of day as containerd stores it."""
    stamp = Timestamp()
    stamp.FromNanoseconds(time.time_ns())
    return stamp


@dataclass
class Blob:
    """A blob as one namespace knows it; its bytes are in :attr:`State.bytes_of`, which all namespaces share."""

    size: int
    labels: dict[str, str] = field(default_factory=dict)
    created_at: Timestamp = field(default_factory=now)
    updated_at: Timestamp = field(init=False)

    def __post_init__(self) -> None:
        self.updated_at = self.created_at


@dataclass
class Ingest:
    """A blob that is being written."""

    data: bytearray = field(default_factory=bytearray)
    total: int = 0
    expected: str = ""
    """Of an ingest that shares the bytes of a blob in another namespace."""
    expires: float | None = None
    """Of ``time.time``; None under a lease."""
    started_at: Timestamp = field(default_factory=now)
    updated_at: Timestamp = field(init=False)
    held_since: float | None = None
    """When the writer that holds it opened it, of ``time.monotonic``."""

    def __post_init__(self) -> None:
        self.updated_at = self.started_at


@dataclass
class Lease:
    """A lease and what it holds, by type as its resources name it: ``content``, ``snapshots/overlayfs``."""

    labels: dict[str, str] = field(default_factory=dict)
    created_at: Timestamp = field(default_factory=now)
    resources: dict[str, set[str]] = field(default_factory=dict)

    def add(self, kind: str, key: str) -> None:
        """Put a resource under the lease."""
        self.resources.setdefault(kind, set()).add(key)

    def discard(self, kind: str, key: str) -> None:
        """Take a resource out; one that is not there is fine."""
        self.resources.get(kind, set()).discard(key)


@dataclass
class Snapshot:
    """A snapshot. ``number`` names its directory, which a committed snapshot inherits from the active one."""

    number: int
    kind: snapshots_pb2.Kind.ValueType = snapshots_pb2.ACTIVE
    parent: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    created_at: Timestamp = field(default_factory=now)
    updated_at: Timestamp = field(init=False)
    usage: tuple[int, int] = (0, 0)
    """Bytes and inodes of a committed one."""

    def __post_init__(self) -> None:
        self.updated_at = self.created_at


@dataclass
class Space:
    """One namespace."""

    labels: dict[str, str] = field(default_factory=dict)
    containers: dict[str, containers_pb2.Container] = field(default_factory=dict)
    had_containers: bool = False
    """A container was made at some time; until then containerd refuses in other words."""
    images: dict[str, images_pb2.Image] = field(default_factory=dict)
    content: dict[str, Blob] = field(default_factory=dict)
    ingests: dict[str, Ingest] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Snapshot]] = field(default_factory=dict)
    """By snapshotter, then by key or name."""
    tasks: dict[str, Task] = field(default_factory=dict)

    @property
    def kinds_left(self) -> list[str]:
        """What keeps the namespace from being deleted, in containerd's words."""
        left = [
            name
            for name, things in (("images", self.images), ("blobs", self.content), ("containers", self.containers))
            if things
        ]
        left += [f'snapshots on "{name}" snapshotter' for name, things in sorted(self.snapshots.items()) if things]
        return left


class State:
    """``state["k8s.io"].containers["id"]``."""

    def __init__(self) -> None:
        self.spaces: dict[str, Space] = {}
        self.bytes_of: dict[str, bytes] = {}
        """The content store behind all namespaces, by digest."""
        self.last_snapshot = 0
        self.dirty = False
        """Something was removed since the last garbage collection."""

    def __getitem__(self, namespace: str) -> Space:
        """Return what a namespace holds; of one that does not exist, nothing."""
        return self.spaces.get(namespace) or Space()

    def __iter__(self) -> Iterator[str]:
        return iter(self.spaces)

    def writable(self, namespace: str) -> Space:
        """Return a namespace to put something into, which makes it."""
        return self.spaces.setdefault(namespace, Space())

    def new_snapshot(self) -> int:
        """Return the number of the next snapshot's directory."""
        self.last_snapshot += 1
        return self.last_snapshot
