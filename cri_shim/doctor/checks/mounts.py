"""Mounts of the daemon must be seen by containerd and its shims, and those of the kubelet by pods."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.kernel.mountinfo import MountPoint, mount_of, read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

HIDDEN = Code(
    "mounts-hidden",
    "error",
    "containerd does not see what the daemon mounts (they have different mount namespaces)",
    "containerd sees what the daemon mounts",
)
NOT_SHARED = Code(
    "mounts-not-shared",
    "warning",
    "pods with `mountPropagation` fail, because the node's mounts are not shared",
    "the node's mounts are shared, as `mountPropagation` needs",
)
NO_EXECUTION = Code(
    "root-mounted-noexec",
    "warning",
    "the root directory is on a file system mounted noexec, so the shim's script cannot run",
    "programs may run from the root directory",
)
CODES: Final = (HIDDEN, NOT_SHARED, NO_EXECUTION)

_VOLUMES: Final = "/var/lib/kubelet"


class MountView(Struct, frozen=True):
    """The mounts that one process sees. ``namespace`` is empty if only root may know it."""

    pid: int
    namespace: str
    mounts: tuple[MountPoint, ...]


def read_view(pid: int, place: Place) -> MountView:
    """Read what a process sees, with 0 this process. Raises OSError if it has ended, or only root may know. Blocks."""
    process = place.proc / (str(pid) if pid else "self")
    return MountView(pid, os.readlink(process / "ns/mnt"), tuple(read_mountinfo(str(process / "mountinfo"))))  # noqa: PTH115


def judge_namespaces(
    ours: MountView, containerd: MountView, directories: Iterable[str], place: Place
) -> Iterator[Outcome]:
    """Judge whether mounts below the directories reach containerd."""
    if ours.namespace == containerd.namespace:
        return
    hidden = [path for path in directories if not _reaches(path, ours, containerd)]
    if not hidden:
        yield HIDDEN.fine("daemon and containerd have different mount namespaces, and share the mounts that matter")
        return
    who = f"the daemon (process {ours.pid})" if ours.pid else "this shell"
    said = (
        f"{who} and containerd (process {containerd.pid}) have different mount namespaces: mounts below "
        f"{', '.join(hidden)} do not reach containerd"
    )
    units = (
        "remove from both units what gives a service mounts of its own (PrivateTmp=, ProtectSystem= and others, "
        "docs/operating.md):"
    )
    remedies = (
        units,
        "$ systemctl cat cri-shim containerd" if place.systemd else f"$ nsenter -t {containerd.pid} -m findmnt",
    )
    if ours.pid:
        yield HIDDEN.report(said, *remedies)
    else:
        yield HIDDEN.unknown(f"{said}; a daemon that is started elsewhere may have others", *remedies)


def _reaches(path: str, ours: MountView, containerd: MountView) -> bool:
    """Return whether mounts made below a path appear in containerd's namespace: by a peer group or a master."""
    try:
        mount = mount_of(path, list(ours.mounts))
    except LookupError:
        return False
    groups = {word.partition(":")[2] for word in mount.propagation if word.startswith("shared:")}
    return any(
        word.partition(":")[2] in groups
        for theirs in containerd.mounts
        for word in theirs.propagation
        if word.startswith(("shared:", "master:"))
    )


def judge_own(view: MountView, root: str, *, needs_programs: bool) -> Iterator[Outcome]:
    """Judge the mounts of the daemon: shared where pods get volumes, and with programs where it has a script."""
    try:
        volumes = mount_of(_VOLUMES, list(view.mounts))
        own = mount_of(str(PurePosixPath(root)), list(view.mounts))
    except LookupError:
        yield NOT_SHARED.unknown("the table of mounts has no root", "$ findmnt -o TARGET,PROPAGATION /")
        return
    if not volumes.shared:
        yield NOT_SHARED.report(
            f"the mount at {volumes.path} is {volumes.kind}: pods with `mountPropagation` fail",
            f"$ mount --make-rshared {volumes.path}",
            "then restart containerd and cri-shim, if they have mount namespaces of their own",
        )
    if needs_programs and "noexec" in own.options:
        yield NO_EXECUTION.report(
            f"{root} is on {own.path}, which is mounted noexec: containerd cannot run the shim's script there",
            f"$ mount -o remount,exec {own.path}",
            "or set containerd.shim_script = false in the configuration",
        )
