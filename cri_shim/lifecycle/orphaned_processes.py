"""What containerd's shims and runtimes have left on the node: shims, the processes below them, and root mounts.

Read from /proc, because containerd itself forgets: one that starts anew leaves out every task whose record it does not
find, and with the task the shim, its processes and, where it is busy, the mount. Only what belongs to this containerd
and this namespace is told: a shim by the address that it was started with, a mount by the layers that it is made of.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.kernel.mountinfo import read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cri_shim.kernel.mountinfo import MountPoint

_ID = re.compile(r"[0-9a-f]{64}")
_TASKS = "io.containerd.runtime.v2.task"


class Shim(Struct, frozen=True):
    """A shim: the id that it was started for, and its child processes, each with the id of its container."""

    pid: int
    id: str
    children: tuple[tuple[int, str], ...]


def shims_of(address: str, namespace: str, proc: Path = Path("/proc")) -> list[Shim]:
    """The shims that containerd at ``address`` has started in ``namespace``. Blocks."""
    wanted = address.removeprefix("unix://")
    found = []
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        arguments = _arguments(process)
        if not arguments or not Path(arguments[0]).name.startswith("containerd-shim-"):
            continue
        options = dict(itertools.pairwise(arguments[1:]))
        if options.get("-namespace") == namespace and options.get("-address", "").removeprefix("unix://") == wanted:
            found.append(Shim(int(process.name), options.get("-id", ""), tuple(_children(process, proc))))
    return found


def root_mounts(
    namespace: str, layers: Sequence[str], mounts: Iterable[MountPoint] | None = None
) -> Iterator[tuple[str, str]]:
    """Ids and mount points of the root file systems in ``namespace`` that are made of what lies below ``layers``.

    Blocks.
    """
    pattern = re.compile(rf".*/{re.escape(_TASKS)}/{re.escape(namespace)}/([^/]+)/rootfs")
    for mount in read_mountinfo() if mounts is None else mounts:
        matched = pattern.fullmatch(mount.path)
        if matched is not None and any(
            option.startswith(f"upperdir={root.rstrip('/')}/") for root in layers for option in mount.super_options
        ):
            yield matched[1], mount.path


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _children(process: Path, proc: Path) -> Iterator[tuple[int, str]]:
    for thread in _entries(process / "task"):
        for pid in _text(thread / "children").split():
            # All hierarchies name the container alike.
            matched = _ID.search(_text(proc / pid / "cgroup"))
            if matched is not None:
                yield int(pid), matched[0]


def _text(path: Path) -> str:
    """What is in a file of /proc; empty when its process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []
