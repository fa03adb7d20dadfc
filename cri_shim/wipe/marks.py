"""Tell what is this daemon's from what only looks like it.

Records have the form of containerd's own CRI plugin, whose pods must stay. What the plugin does not have are the labels
of our snapshots, the extension of pods without a process, and directories in our root and state. A container is ours
too if its pod is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.kernel.presence import entries_of
from cri_shim.state.stored.metadata import PINNED_EXTENSION, read_container

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.paths import Paths

_ID: Final = re.compile(r"[0-9a-f]{64}")


class OwnIds(Struct, frozen=True):
    """The ids of what is ours."""

    pods: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """The ids of pods and containers together."""
        return self.pods | self.containers

    def joined(self, other: OwnIds) -> OwnIds:
        """Return the ids of both."""
        return OwnIds(self.pods | other.pods, self.containers | other.containers)


def ids_on_disk(paths: Paths) -> OwnIds:
    """Return the ids that have a directory of ours. Blocks; raises OSError for what cannot be read.

    Other names than ids lead to nothing: a task or a cgroup with the same name belongs to another client.
    """
    return OwnIds(
        _names(paths.sandboxes_root(), paths.sandboxes_state()),
        _names(paths.containers_root(), paths.containers_state(), paths.idmapped(), paths.image_mounts()),
    )


def ids_in_containerd(pods: Iterable[Record], containers: Iterable[Record], marked: Collection[str]) -> OwnIds:
    """Return the ids of our records; ``marked`` are the ids that a snapshot of ours or a directory of ours names."""
    own_pods = frozenset(record.id for record in pods if record.id in marked or PINNED_EXTENSION in record.extensions)
    return OwnIds(
        own_pods,
        frozenset(record.id for record in containers if record.id in marked or _pod_of(record) in own_pods),
    )


def _names(*directories: Path) -> frozenset[str]:
    return frozenset(
        entry.name for directory in directories for entry in entries_of(directory) if _ID.fullmatch(entry.name)
    )


def _pod_of(record: Record) -> str:
    try:
        return read_container(record).sandbox_id
    except ValueError:
        return ""
