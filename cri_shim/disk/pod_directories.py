"""Make and remove the two directories of a sandbox, what is mounted in them, and the namespaces that belong to them.

The path of the network namespace is written into the directory before the namespace is made. A daemon that dies before
it has written the containerd record leaves a directory without a record, and the path in it leads the next daemon to
everything that was made.
"""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from cri_shim.disk.idmapped_mounts import unmount_idmapped
from cri_shim.kernel.presence import entries_of
from cri_shim.kernel.protocol import is_namespace_file
from cri_shim.kernel.remove_tree import remove_tree
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.kernel import Kernel
    from cri_shim.oci.id_map import IdMap
    from cri_shim.paths import Paths
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

_NETNS = "netns"
_LONGEST_NOTE = 4096
_NOT_MOUNTED = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})
"""What the kernel answers to an unmount where nothing is mounted, or where nothing is."""


def pin_namespaces(kernel: Kernel, paths: Paths, sandbox_id: str, netns_path: str, id_map: IdMap | None) -> None:
    """Make the namespaces that a sandbox has before its process: the network's (with a path) and the user's (mapped).

    Blocking, like all functions here. Raises ``OSError`` naming the path.
    """
    _note(paths, sandbox_id, netns_path)
    if id_map is not None:
        userns = str(paths.pinned_userns(sandbox_id))
        kernel.new_user_namespace(userns, [id_map.uids.line()], [id_map.gids.line()], netns_path)
    elif netns_path:
        kernel.new_network_namespace(netns_path)


def pin_all_namespaces(
    kernel: Kernel, paths: Paths, sandbox: Sandbox, *, hostname: str, sysctls: Mapping[str, str]
) -> None:
    """Make all namespaces of a pod that has no process; ``sysctls`` are keyed by path below /proc/sys.

    Raises ``OSError``.
    """
    _note(paths, sandbox.id, sandbox.netns_path)
    places = {"net": sandbox.netns_path}
    if sandbox.pinned is not None:
        places |= {"uts": sandbox.pinned.uts, "ipc": sandbox.pinned.ipc}
    kernel.new_pod_namespaces({kind: place for kind, place in places.items() if place}, hostname, sysctls)


def _note(paths: Paths, sandbox_id: str, netns_path: str) -> None:
    directory = paths.sandbox_state(sandbox_id)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if netns_path:
        write_file(directory / _NETNS, netns_path.encode())


def noted_netns(paths: Paths, sandbox_id: str) -> str:
    """Return the noted network namespace of a pod.

    Empty for a pod without one, or if the disk was too full for the note.

    A note that is damaged names a path that does not exist, and so counts as a namespace that is gone. Raises
    ``OSError``.
    """
    try:
        note = read_small_file(paths.sandbox_state(sandbox_id) / _NETNS, _LONGEST_NOTE)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return decode_utf8(note).replace("\0", "\ufffd")


def are_pinned(kernel: Kernel, sandbox: Sandbox) -> bool:
    """Return whether the namespaces of a pod without a process all exist; they do not after a reboot."""
    if sandbox.pinned is None:
        return False
    places = (sandbox.netns_path, sandbox.pinned.uts, sandbox.pinned.ipc)
    return all(is_namespace_file(kernel, place) for place in places if place)


def mark_exited(sandboxes: Index[Sandbox], sandbox_id: str) -> None:
    """Note that the namespaces of a pod without a process are gone; only the first call sets the time."""
    sandboxes.update(sandbox_id, lambda sandbox: sandbox.replace(exited_at=sandbox.exited_at or time.time_ns()))


def unpin_namespaces(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Remove the namespaces pinned in the pod's directory, except the network's; if nothing is there, that is fine."""
    for place in entries_of(paths.pinned_namespaces(sandbox_id)):
        kernel.remove_network_namespace(str(place))


def unmount_shm(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Unmount the pod's own /dev/shm; one that is not mounted is fine."""
    try:
        kernel.umount(str(paths.sandbox_state(sandbox_id) / "shm"))
    except OSError as error:
        if error.errno not in _NOT_MOUNTED:
            raise


def remove_pod_files(kernel: Kernel, paths: Paths, sandbox_id: str) -> None:
    """Remove both directories of a sandbox, its mount and its namespaces.

    Raises ``OSError`` naming what stays.
    """
    unmount_shm(kernel, paths, sandbox_id)
    unmount_idmapped(kernel, paths, sandbox_id)
    netns_path = noted_netns(paths, sandbox_id)
    if netns_path:
        kernel.remove_network_namespace(netns_path)
    unpin_namespaces(kernel, paths, sandbox_id)
    for directory in (paths.sandbox_root(sandbox_id), paths.sandbox_state(sandbox_id)):
        remove_tree(directory)
