"""How the overlayfs snapshotter has its snapshots mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.types import types_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fakes.containerd.state import Snapshot


def number_path(directory: Path, number: int) -> Path:
    """Return where the files of a snapshot are."""
    return directory / str(number) / "fs"


def mounts_of(
    directory: Path, snapshot: Snapshot, parents: Sequence[int], version: tuple[int, int]
) -> list[types_pb2.Mount]:
    """Return the mounts of an active snapshot or a view; ``parents`` are directory numbers, the nearest first."""
    own = number_path(directory, snapshot.number)
    active = snapshot.kind == snapshots_pb2.ACTIVE
    if not parents:
        return [types_pb2.Mount(type="bind", source=str(own), options=["rw" if active else "ro", "rbind"])]
    lower = [str(number_path(directory, number)) for number in parents]
    if not active and len(lower) == 1:
        return [types_pb2.Mount(type="bind", source=lower[0], options=["ro", "rbind"])]
    options = []
    if active:
        options += [f"workdir={own.with_name('work')}", f"upperdir={own}"]
    options.append(f"lowerdir={':'.join(lower)}")
    options.insert(len(options) if version >= (2, 0) else 0, "index=off")
    return [types_pb2.Mount(type="overlay", source="overlay", options=options)]
