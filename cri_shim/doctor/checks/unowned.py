"""Network namespaces and cgroups in places that runtimes share, of pods that containerd has no record of.

Unlike the daemon's own directories (see ``leftovers``), these may belong to another runtime of the node. Hence they are
notes, and only what is old, named as pods' things are named and, for a cgroup, empty is reported.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of
from cri_shim.doctor.facts.place import quoted
from cri_shim.kernel.presence import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

NAMESPACES = Code(
    "leftover-network-namespaces",
    "note",
    "network namespaces of pods belong to no record in containerd",
    "all network namespaces of pods have a record",
)
CGROUPS = Code(
    "leftover-cgroups",
    "note",
    "empty cgroups of pods belong to no record in containerd",
    "all cgroups of pods have a record",
)
CODES: Final = (NAMESPACES, CGROUPS)

YOUNG: Final = 300.0
"""Seconds; a start takes at most the four minutes of the kubelet's time limit."""
_SHOWN: Final = 3
_LEVELS: Final = 5
_NETNS: Final = re.compile(r"cni-[0-9a-f]{8}-[0-9a-f-]{27}")
_CGROUP: Final = re.compile(r"(?:cri-containerd-)?([0-9a-f]{64})(?:\.scope)?")


class Unowned(Struct, frozen=True):
    """Paths of network namespaces, and of empty cgroups by the id in their names."""

    namespaces: tuple[str, ...] = ()
    cgroups: dict[str, str] = {}


def read_unowned(netns_dir: Path, namespace: str, place: Place, now: float | None = None) -> Unowned:
    """Read everything that is old enough; ``namespace`` is containerd's, the default parent of cgroups. Blocks.

    Raises OSError.
    """
    before = (time.time() if now is None else now) - YOUNG
    namespaces = [
        str(netns_dir / entry.name)
        for entry in entries_of(place.at(str(netns_dir)))
        if _NETNS.fullmatch(entry.name) and is_old(entry, before)
    ]
    cgroups: dict[str, str] = {}
    root = place.root / "sys/fs/cgroup"
    for hierarchy in (root, *(root / name for name in ("memory", "pids", "devices"))):
        for parent in entries_of(hierarchy):
            if parent.name == namespace or parent.name.startswith("kubepods"):
                for directory in _below(parent, _LEVELS):
                    match = _CGROUP.fullmatch(directory.name)
                    if match is not None and is_old(directory, before) and _is_empty(directory):
                        cgroups.setdefault(match[1], f"/{directory.relative_to(place.root)}")
    return Unowned(tuple(namespaces), cgroups)


def is_old(entry: Path, before: float) -> bool:
    """Return whether an entry was changed last before a time; not if it has vanished."""
    try:
        return entry.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _below(parent: Path, levels: int) -> Iterator[Path]:
    try:
        children = [entry for entry in parent.iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return  # it is gone by now
    for child in children:
        yield child
        if levels > 1:
            yield from _below(child, levels - 1)


def _is_empty(directory: Path) -> bool:
    try:
        has_children = any(entry.is_dir() for entry in directory.iterdir())
        return not has_children and not (text_of(directory / "cgroup.procs") or "").strip()
    except FileNotFoundError:
        return False


def judge_unowned(unowned: Unowned, ids: frozenset[str], netns_paths: frozenset[str] | None) -> Iterator[Outcome]:
    """Judge by the ids of containerd's records; ``netns_paths`` is None if a record of a pod cannot be read."""
    if netns_paths is None:
        yield NAMESPACES.not_made("a record of a pod in containerd cannot be read")
    else:
        used = {path.rpartition("/")[2] for path in netns_paths}
        orphaned = [path for path in unowned.namespaces if path.rpartition("/")[2] not in used]
        if orphaned:
            yield NAMESPACES.report(
                f"{_shown(orphaned)}: containerd has no record of a pod with this network namespace",
                "if no other runtime of this node has it, and no process is in it, delete it:",
                f"$ ip netns pids {quoted(orphaned[0].rpartition('/')[2])}",
                f"$ ip netns delete {quoted(orphaned[0].rpartition('/')[2])}",
            )
    cgroups = sorted(path for id_, path in unowned.cgroups.items() if id_ not in ids)
    if cgroups:
        name = quoted(cgroups[0].rpartition("/")[2])
        yield CGROUPS.report(
            f"{_shown(cgroups)}: an empty cgroup that containerd has no record of",
            "if no other runtime of this node has it, remove it:",
            f"$ find /sys/fs/cgroup -depth -type d -name {name} -exec rmdir {{}} +",
        )


def _shown(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(paths[:_SHOWN])}{more}"
