"""What a crash has left: directories and mounts of ours that belong to no record of containerd.

The directories are read before containerd's records, and the youngest are left out, so that a pod in the making does
not count.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.checks.unowned import YOUNG, is_old
from cri_shim.doctor.facts.code import Code
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo
from cri_shim.kernel.presence import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place
    from cri_shim.paths import Paths

DIRECTORIES = Code(
    "leftover-directories",
    "warning",
    "directories of pods or containers belong to no record in containerd",
    "all directories of pods and containers have a record",
)
MOUNTS = Code(
    "leftover-mounts",
    "warning",
    "mounts of pods or containers belong to no record in containerd",
    "all mounts of pods and containers have a record",
)
CODES: Final = (DIRECTORIES, MOUNTS)

_SHOWN: Final = 3


class Leftovers(Struct, frozen=True):
    """Paths of directories and mounts, by the id that they are named after."""

    directories: dict[str, str]
    mounts: dict[str, str]


def read_leftovers(paths: Paths, place: Place, now: float | None = None) -> Leftovers:
    """Read all directories and mounts that are named after an id. Raises OSError. Blocks."""
    before = (time.time() if now is None else now) - YOUNG
    parents = (
        paths.sandboxes_root(),
        paths.sandboxes_state(),
        paths.containers_root(),
        paths.containers_state(),
        paths.idmapped(),
        paths.image_mounts(),
    )
    directories = {
        entry.name: str(entry)
        for parent in parents
        for entry in entries_of(place.at(str(parent)))
        if is_old(entry, before)
    }
    mounts: dict[str, str] = {}
    table = read_mountinfo(str(place.proc / "self/mountinfo"))
    for parent in parents:
        top = os.path.realpath(place.at(str(parent)))  # the table has paths without links
        for mount in mounts_under(top, table):
            if mount.path != top:
                mounts.setdefault(mount.path.removeprefix(f"{top}/").partition("/")[0], mount.path)
    young = {entry.name for parent in parents for entry in entries_of(place.at(str(parent)))} - directories.keys()
    return Leftovers(directories, {id_: path for id_, path in mounts.items() if id_ not in young})


def judge_leftovers(leftovers: Leftovers, ids: frozenset[str], place: Place, *, daemon_runs: bool) -> Iterator[Outcome]:
    """Judge what is there by the ids of containerd's records."""
    action = "restart" if daemon_runs else "start"
    remedies = ("a start of the daemon removes them:", place.service(action, "cri-shim"))
    for code, here, one, several in (
        (DIRECTORIES, leftovers.directories, "directory belongs", "directories belong"),
        (MOUNTS, leftovers.mounts, "mount belongs", "mounts belong"),
    ):
        orphaned = sorted(path for id_, path in here.items() if id_ not in ids)
        if orphaned:
            counted = f"1 {one}" if len(orphaned) == 1 else f"{len(orphaned)} {several}"
            more = f" and {len(orphaned) - _SHOWN} more" if len(orphaned) > _SHOWN else ""
            yield code.report(f"{counted} to no pod or container: {', '.join(orphaned[:_SHOWN])}{more}", *remedies)
