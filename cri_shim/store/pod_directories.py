"""The two directories of a sandbox, what is mounted in them, and the network namespace that belongs to them.

The path of the namespace is written into the directory before the namespace is made. A daemon that dies before it has
written the containerd record leaves a directory without a record, and with it the way to everything it had made.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

_NETNS = "netns"


def pin_network_namespace(kernel: Kernel, paths: Paths, sandbox_id: str, netns_path: str) -> None:
    """Make the network namespace of a sandbox; raises OSError naming the path. Blocks, like all of these."""
    directory = paths.sandbox_state(sandbox_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / _NETNS).write_text(netns_path)
    kernel.new_network_namespace(netns_path)


def unmount_shm(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Unmount the pod's own /dev/shm; not being there is fine."""
    shm = paths.sandbox_state(sandbox_id) / "shm"
    if shm.is_mount():
        kernel.umount(str(shm))


def remove_pod_files(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Remove both directories of a sandbox, its mount and its namespace; raises OSError naming what stays."""
    unmount_shm(kernel, paths, sandbox_id)
    pinned = paths.sandbox_state(sandbox_id) / _NETNS
    if pinned.exists():
        kernel.remove_network_namespace(pinned.read_text())
    for directory in (paths.sandbox_root(sandbox_id), paths.sandbox_state(sandbox_id)):
        if directory.exists():
            shutil.rmtree(directory)
