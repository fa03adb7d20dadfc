"""Remove cgroups, and processes in them, that an interrupted start has left.

When the daemon is killed in the middle of Tasks.Create, containerd gives up the call, but the pod's shim may go on with
it. From 1.7 on, where all containers of a pod share a shim, runc then makes a process that containerd does not know
about, or is ended after it has made the cgroups and before it has recorded that. A kubelet would remove the cgroups
together with the pod's own, later. systemd scopes end with their processes and need no help.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.mountinfo import read_mountinfo
from cri_shim.kernel.presence import mode_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cri_shim.config import Config
    from cri_shim.kernel.mountinfo import MountPoint
    from cri_shim.state.sandboxes import Sandbox

PATIENCE_SECONDS = 2.0
"""How long killed processes get to leave."""

_POLL_EVERY = 0.02
_LEVELS = 16
"""How deep to search for cgroups of containers by name; a kubelet's are on the third to fifth level."""

log = structlog.get_logger(__name__)


async def clear_cgroups(config: Config, sandbox: Sandbox, ids: Iterable[str]) -> None:
    """Empty and remove the cgroups of ``ids``: this sandbox, or containers in it, whose tasks are all gone.

    Raises OSError with EBUSY that names a cgroup that cannot be removed.
    """
    parent = sandbox.config.linux.cgroup_parent or f"/{config.containerd.namespace}"
    await run(FS, clear, [posixpath.join(parent, id_) for id_ in ids])


def clear(paths: Iterable[str], mounts: Iterable[MountPoint] | None = None) -> None:
    """Kill what is in the cgroups ``paths`` and below, and remove them from every hierarchy. Blocks.

    A path that does not begin with a slash is below a slice and is left to systemd. Raises OSError for a path that
    cannot be looked at, and with EBUSY for a cgroup whose processes do not end.
    """
    points = _hierarchies(mounts)
    below = [posixpath.normpath(path) for path in paths if path.startswith("/")]
    tops = [directory for path in below for point in points if mode_of(directory := Path(point + path)) is not None]
    _clear(tops, below)


def clear_everywhere(ids: Collection[str], mounts: Iterable[MountPoint] | None = None) -> None:
    """Do the same for the cgroups that are named after ``ids``, wherever cgroupfs or systemd has put them.

    This is for ids without a record that says where to look. Blocks for as long as it takes to walk all cgroups.
    """
    _clear(named_after(ids, mounts), sorted(ids))


def named_after(ids: Collection[str], mounts: Iterable[MountPoint] | None = None) -> list[Path]:
    """Return the cgroups that are named after ``ids``, in every hierarchy. Blocks while it walks all cgroups."""
    return [
        directory
        for point in _hierarchies(mounts)
        for directory in _all_below(Path(point), levels=_LEVELS)
        if directory.name.removeprefix("cri-containerd-").removesuffix(".scope") in ids
    ]


def _hierarchies(mounts: Iterable[MountPoint] | None) -> list[str]:
    return [
        mount.path
        for mount in (read_mountinfo() if mounts is None else mounts)
        if mount.fstype in {"cgroup", "cgroup2"} and mount.root == "/"
    ]


def _clear(tops: Iterable[Path], named: list[str]) -> None:
    left = [directory for top in tops for directory in _tree(top)]
    deadline = time.monotonic() + PATIENCE_SECONDS
    for pid in sorted({pid for directory in left for pid in _processes(directory)}):
        log.warning("cgroup.stray_process_ended", pid=pid, paths=named)
    while left := [directory for directory in left if not _removed(directory)]:
        if time.monotonic() > deadline:
            log.warning("cgroup.stray_not_removed", paths=[str(directory) for directory in left])
            raise OSError(errno.EBUSY, f"cgroup with {_population(left[0])} cannot be removed", str(left[0]))
        time.sleep(_POLL_EVERY)


def _tree(top: Path) -> list[Path]:
    """Return the cgroup and all below it, deepest first."""
    return [top, *_all_below(top)][::-1]


def _all_below(top: Path, *, levels: int = sys.maxsize) -> Iterator[Path]:
    """Yield all cgroups below one, each after its parent.

    This is a loop and not a recursion, because containers may nest cgroups deeper than the stack.
    """
    todo = [(str(top), levels)]
    while todo:
        directory, left = todo.pop()
        try:
            with os.scandir(directory) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # it is gone by now, or its path is too long for a cgroup of ours
        if left > 1:
            todo += [(path, left - 1) for path in below]
        yield from map(Path, below)


def _population(directory: Path) -> str:
    pids = _processes(directory)
    return f"process {pids[0]}, which does not end," if pids else "processes or cgroups in it"


def _removed(directory: Path) -> bool:
    for pid in _processes(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    log.info("cgroup.stray_removed", path=str(directory))
    return True


def _processes(directory: Path) -> list[int]:
    try:
        pids = map(int, (directory / "cgroup.procs").read_text().split())
    except OSError:
        return []  # it is gone by now, or rmdir reports the problem
    return [pid for pid in pids if pid]  # 0 stands for a process outside this PID namespace
