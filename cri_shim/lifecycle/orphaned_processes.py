"""Find what containerd's shims and runtimes have left on the node: shims, processes below them, and root mounts.

The source is /proc, because containerd itself forgets: after a restart it drops every task whose record it does not
find, and with the task its shim, its processes and, where it is busy, the mount. Only what belongs to this containerd
and this namespace is returned. A shim is recognised by the address that it was started with, and a mount by its layers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.kernel.mountinfo import read_mountinfo
from cri_shim.kernel.processes import PROC, cgroups, children
from cri_shim.sync.orphaned_shims import shims_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cri_shim.kernel.mountinfo import MountPoint

_ID = re.compile(r"[0-9a-f]{64}")
_TASKS = "io.containerd.runtime.v2.task"


class Shim(Struct, frozen=True):
    """A shim: the id that it was started for, and its child processes, each with the id of its container."""

    pid: int
    id: str
    children: tuple[tuple[int, str], ...]


def shims_of(address: str, namespace: str, proc: Path = PROC) -> list[Shim]:
    """Return the shims that containerd at ``address`` has started in ``namespace``. Blocks."""
    wanted = address.removeprefix("unix://")
    return [
        Shim(pid, options.get("-id", ""), tuple(_containers_of(pid, proc)))
        for pid, _, options in shims_in(namespace, proc)
        if options.get("-address", "").removeprefix("unix://") == wanted
    ]


def root_mounts(
    namespace: str, layers: Sequence[str], mounts: Iterable[MountPoint] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield ids and mount points of root file systems in ``namespace`` whose layers are below ``layers``. Blocks."""
    pattern = re.compile(rf".*/{re.escape(_TASKS)}/{re.escape(namespace)}/([^/]+)/rootfs")
    for mount in read_mountinfo() if mounts is None else mounts:
        matched = pattern.fullmatch(mount.path)
        if matched is not None and any(
            option.startswith(f"upperdir={root.rstrip('/')}/") for root in layers for option in mount.super_options
        ):
            yield matched[1], mount.path


def _containers_of(shim: int, proc: Path) -> Iterator[tuple[int, str]]:
    for pid in children(shim, proc):
        # Every hierarchy names the container in the same way.
        matched = _ID.search(cgroups(pid, proc))
        if matched is not None:
            yield pid, matched[0]
