"""The two directories of a sandbox, what is mounted in them, and the namespaces that belong to them.

The path of the namespace is written into the directory before the namespace is made. A daemon that dies before it has
written the containerd record leaves a directory without a record, and with it the way to everything it had made.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from cri_shim.store.idmapped_mounts import unmount_idmapped

if TYPE_CHECKING:
    from cri_shim.kernel import Kernel
    from cri_shim.oci.id_map import IdMap
    from cri_shim.paths import Paths

_NETNS = "netns"


def pin_namespaces(kernel: Kernel, paths: Paths, sandbox_id: str, netns_path: str, id_map: IdMap | None) -> None:
    """Make the namespaces that a sandbox has before its process: the network's (with a path) and the user's (mapped).

    Raises OSError naming the path. Blocks, like all of these.
    """
    directory = paths.sandbox_state(sandbox_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if netns_path:
        (directory / _NETNS).write_text(netns_path)
    if id_map is not None:
        userns = str(paths.pinned_userns(sandbox_id))
        kernel.new_user_namespace(userns, [id_map.uids.line()], [id_map.gids.line()], netns_path)
    elif netns_path:
        kernel.new_network_namespace(netns_path)


def unmount_shm(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Unmount the pod's own /dev/shm; not being there is fine."""
    shm = paths.sandbox_state(sandbox_id) / "shm"
    if shm.is_mount():
        kernel.umount(str(shm))


def remove_pod_files(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Remove both directories of a sandbox, its mount and its namespace; raises OSError naming what stays."""
    unmount_shm(kernel, paths, sandbox_id)
    unmount_idmapped(kernel, paths, sandbox_id)
    pinned = paths.sandbox_state(sandbox_id) / _NETNS
    if pinned.exists():
        kernel.remove_network_namespace(pinned.read_text())
    kernel.remove_network_namespace(str(paths.pinned_userns(sandbox_id)))
    for directory in (paths.sandbox_root(sandbox_id), paths.sandbox_state(sandbox_id)):
        if directory.exists():
            shutil.rmtree(directory)
