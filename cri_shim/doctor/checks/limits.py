"""Limits of the kernel and of the daemon's unit: reported when little is left, not by their size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import number_of, text_of
from cri_shim.kernel.cgroups import memberships
from cri_shim.kernel.processes import all_pids, cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

FEW_FILES = Code(
    "nofile-low",
    "warning",
    "the daemon may open too few files for a node full of pods",
    "the daemon may open enough files",
)
INOTIFY = Code(
    "inotify-nearly-used",
    "warning",
    "few inotify instances or watches are left",
    "inotify instances and watches are left",
)
PIDS = Code("pids-nearly-used", "warning", "few processes can still be started", "more processes can be started")
CODES: Final = (FEW_FILES, INOTIFY, PIDS)

NEARLY: Final = 0.8
"""The share of a limit from which on its use is reported."""
_ENOUGH_FILES: Final = 65536
_MOST_DESCRIPTORS: Final = 20000
"""Descriptors of inotify whose watches are counted; beyond it, counting would take too long."""


class Use(Struct, frozen=True):
    """How much of a limit is used. ``used`` is None if only root may know; ``limit`` is None if there is none."""

    name: str
    used: int | None
    limit: int | None
    remedy: str

    @property
    def nearly(self) -> bool:
        """Whether little is left."""
        return self.used is not None and self.limit is not None and self.used >= NEARLY * self.limit


def read_open_files(daemon: int, place: Place) -> int | None:
    """Return how many files the daemon may open; None without a limit. Raises OSError. Blocks."""
    for line in (text_of(place.proc / str(daemon) / "limits") or "").splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdecimal() else None
    return None


def judge_open_files(limit: int | None, daemon: int, place: Place) -> Iterator[Outcome]:
    """Judge how many files the daemon may open; a daemon that does not run has no limit yet."""
    if not daemon:
        yield FEW_FILES.not_made("no daemon runs whose limit could be read")
    elif limit is not None and limit < _ENOUGH_FILES:
        yield FEW_FILES.report(
            f"the daemon (process {daemon}) may open {limit} files, and each container takes three or more",
            *(
                ("set LimitNOFILE=1048576 in its unit, as deploy/systemd/cri-shim.service does:",)
                if place.systemd
                else ()
            ),
            "$ systemctl edit cri-shim" if place.systemd else "run `ulimit -n 1048576` before the daemon is started",
        )


def read_inotify(place: Place) -> list[Use]:
    """Count root's inotify instances and watches, as far as they may be read. Blocks."""
    directory = place.proc / "sys/fs/inotify"
    # Another user sees no descriptors of root's processes, and with hidepid not even the processes.
    instances: int | None = 0 if place.is_root else None
    watches: int | None = instances
    for pid in all_pids(place.proc) if place.is_root else ():
        process = place.proc / str(pid)
        try:
            if process.stat().st_uid != 0:
                continue
            numbers = [entry.name for entry in (process / "fd").iterdir() if _is_inotify(entry)]
        except PermissionError:
            instances = watches = None
            break
        except OSError:
            continue  # it has ended
        instances = (instances or 0) + len(numbers)
        if instances <= _MOST_DESCRIPTORS:
            watches = (watches or 0) + sum(_watches(process / "fdinfo" / number) for number in numbers)
    names = ("max_user_instances", "max_user_watches")
    return [
        Use(
            f"of root's inotify {name.rpartition('_')[2]}",
            used,
            limit := number_of(directory / name),
            f"$ sysctl -w fs.inotify.{name}={4 * (limit or 0)}",
        )
        for name, used in zip(names, (instances, watches), strict=True)
    ]


def _is_inotify(descriptor: Path) -> bool:
    try:
        return os.readlink(descriptor) == "anon_inode:inotify"  # noqa: PTH115 - not a path
    except OSError:
        return False


def _watches(info: Path) -> int:
    try:
        return (text_of(info) or "").count("inotify wd:")
    except OSError:
        return 0


def judge_inotify(uses: list[Use]) -> Iterator[Outcome]:
    """Report instances or watches of inotify that are nearly used up."""
    if any(use.used is None for use in uses):
        yield INOTIFY.not_made("only root sees the descriptors of all processes")
    for use in uses:
        if use.nearly:
            yield INOTIFY.report(f"{use.used} of {use.limit} {use.name} are in use", use.remedy)


def read_pids(place: Place, services: Mapping[str, int]) -> list[Use]:
    """Read how many processes and threads there are and may be, on the node and in the cgroups of services. Blocks.

    ``services`` are processes by the names of their units. Shims are in containerd's cgroup, so its TasksMax= limits
    the pods of the node.
    """
    words = (text_of(place.proc / "loadavg") or "").split()
    tasks = int(words[3].partition("/")[2]) if len(words) > 3 else None
    kernel = place.proc / "sys/kernel"
    uses = [
        Use(
            f"processes and threads (kernel.{name})",
            tasks,
            limit := number_of(kernel / name),
            f"$ sysctl -w kernel.{name}={4 * (limit or 0)}",
        )
        for name in ("pid_max", "threads-max")
    ]
    for unit, pid in services.items():
        directory = _pids_cgroup(place, pid)
        if directory is not None:
            by_hand = f"$ echo max > {directory}/pids.max"
            uses.append(
                Use(
                    f"processes and threads of the cgroup of {unit}",
                    number_of(directory / "pids.current"),
                    number_of(directory / "pids.max"),
                    f"$ systemctl set-property {unit} TasksMax=infinity" if place.systemd else by_hand,
                )
            )
    return uses


def _pids_cgroup(place: Place, pid: int) -> Path | None:
    paths = memberships(cgroups(pid, place.proc))
    root = place.root / "sys/fs/cgroup"
    for directory in (root / "pids" / paths.get("pids", "").lstrip("/"), root / paths.get("", "").lstrip("/")):
        if text_of(directory / "pids.max") is not None:
            return directory
    return None


def judge_pids(uses: list[Use]) -> Iterator[Outcome]:
    """Judge how many processes can still be started."""
    for use in uses:
        if use.nearly:
            yield PIDS.report(f"{use.used} of {use.limit} {use.name} are in use", use.remedy)
