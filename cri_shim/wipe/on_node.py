"""Read what our pods have on the node itself: networks, namespaces, mounts, cgroups, shims and directories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.disk.pod_directories import noted_netns
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo
from cri_shim.kernel.presence import mode_of
from cri_shim.lifecycle.orphaned_cgroups import named_after
from cri_shim.lifecycle.orphaned_processes import shims_of
from cri_shim.network.cache import ResultCache
from cri_shim.network.conflist import load_directory
from cri_shim.wipe.own_paths import own_paths, pod_directories
from cri_shim.wipe.reservations import reserved_for
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.kernel.mountinfo import MountPoint
    from cri_shim.network.cache import Cached
    from cri_shim.paths import Paths
    from cri_shim.wipe.marks import OwnIds


def read_node(config: Config, paths: Paths, ids: OwnIds, namespaces: set[str]) -> dict[str, tuple[str, ...]]:
    """Return names by kind; ``namespaces`` are network namespaces that records name. Blocks; raises OSError."""
    attached = attachments(config, ids)
    pinned = namespaces | {path for id_ in ids.pods if (path := noted_netns(paths, id_))}
    resolved = {str(Path(path).resolve()) for path in pinned}  # mounts are listed without links
    shims = shims_of(config.containerd.address, config.containerd.namespace)
    return {
        "shims": tuple(f"process {shim.pid}" for shim in shims if _concerns(shim.id, shim.children, ids)),
        "networks": tuple(sorted(map(_attachment_name, attached))),
        "reservations": tuple(map(str, reservations(config, ids, attached))),
        "namespaces": tuple(sorted(escaped(path, 1000) for path in pinned if mode_of(path) is not None)),
        "mounts": tuple(escaped(mount.path, 1000) for mount in own_mounts(paths) if mount.path not in resolved),
        "cgroups": tuple(str(path) for path in named_after(ids.all)) if ids.all else (),
        "directories": tuple(str(path) for path in own_paths(config, paths) if mode_of(path) is not None),
    }


def attachments(config: Config, ids: OwnIds) -> list[Cached]:
    """Return what the cache of CNI results has for our pods. Blocks; raises OSError."""
    cache = ResultCache(config.cni.cache_dir)
    return [cached for id_ in sorted(ids.pods) for cached in cache.find(id_)]


def reservations(config: Config, ids: OwnIds, attached: list[Cached]) -> list[Path]:
    """Return the files of the addresses that are reserved for our pods. Blocks; raises OSError."""
    configured = load_directory(config.cni.conf_dir, 0).networks
    sources = [*(network.source for network in configured), *(cached.source for cached in attached)]
    return reserved_for(ids.pods, sources) if ids.pods else []


def own_mounts(paths: Paths) -> list[MountPoint]:
    """Return the mounts in the directories of pods and containers, in the order in which to unmount them. Blocks.

    Elsewhere in root and state others may have mounted something.
    """
    mounts = read_mountinfo()
    tops = dict.fromkeys(top.resolve() for top in pod_directories(paths))
    return [mount for top in tops for mount in mounts_under(str(top), mounts) if mount.path != str(top)]


def _attachment_name(cached: Cached) -> str:
    return f"{escaped(cached.network)} {escaped(cached.ifname)} of {cached.container_id[:13]}"


def _concerns(id_: str, children: tuple[tuple[int, str], ...], ids: OwnIds) -> bool:
    return id_ in ids.all or any(child in ids.all for _, child in children)
