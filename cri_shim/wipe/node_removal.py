"""Remove what our pods have on the node and no record leads to any more; containerd is not needed for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cri_shim.disk.pod_directories import noted_netns
from cri_shim.errors import CriError
from cri_shim.kernel.executors import FS, MOUNT, run
from cri_shim.lifecycle.orphaned_cgroups import clear_everywhere
from cri_shim.lifecycle.sandbox.pod_network import detach_orphaned
from cri_shim.sync.orphans import remove_orphaned_files
from cri_shim.wipe.marks import OwnIds
from cri_shim.wipe.on_node import attachments, own_mounts, reservations

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.kernel import Kernel
    from cri_shim.network import Network
    from cri_shim.paths import Paths


async def remove_from_node(
    network: Network,
    kernel: Kernel,
    config: Config,
    paths: Paths,
    *,
    ids: OwnIds,
    spared: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """Remove networks, namespaces, mounts, cgroups and directories of ``ids`` but of those that are ``spared``.

    Returns the reasons of what stays, by id or path.
    """
    failed = await _detach(network, config, paths, OwnIds(ids.pods - spared))
    spared |= failed.keys()
    gone = OwnIds(ids.pods - spared, ids.containers - spared)
    # Mounts first: what is mounted in a directory of a pod that has no record keeps the directory.
    failed |= await run(MOUNT, _unmount, kernel, paths, spared)
    await remove_orphaned_files(kernel, paths, lambda: spared, partial(detach_orphaned, network))
    failed |= await run(FS, _release, config, gone)
    try:
        await run(FS, clear_everywhere, gone.all)
    except OSError as error:
        failed[str(error.filename)] = error.strerror or str(error)
    return failed


async def _detach(network: Network, config: Config, paths: Paths, ids: OwnIds) -> dict[str, str]:
    """Run DEL for every pod that the cache of CNI results knows, whether or not its namespace is still there."""
    failed: dict[str, str] = {}
    for id_ in {cached.container_id for cached in await run(FS, attachments, config, ids)}:
        try:
            await detach_orphaned(network, id_, await run(FS, noted_netns, paths, id_))
        except (CriError, OSError) as error:
            failed[id_] = str(error)
    return failed


def _unmount(kernel: Kernel, paths: Paths, spared: frozenset[str]) -> dict[str, str]:
    failed: dict[str, str] = {}
    for mount in own_mounts(paths):
        if mount.fstype == "nsfs" or spared & set(mount.path.split("/")):
            continue  # a namespace goes with its file, when its pod does
        try:
            kernel.umount(mount.path)
        except OSError as error:
            failed[mount.path] = error.strerror or str(error)
    return failed


def _release(config: Config, ids: OwnIds) -> dict[str, str]:
    """Release the addresses that no DEL has released."""
    failed: dict[str, str] = {}
    for file in reservations(config, ids, []):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            failed[str(file)] = error.strerror or str(error)
    return failed
