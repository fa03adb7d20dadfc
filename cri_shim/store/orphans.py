"""What pods and containers left on disk whose records are not there: a crash came between the two.

All of it is listed before anybody asks who is alive. A pod that is made meanwhile has its name before its directories,
so either its directories are not listed or it is alive; the other way round it could lose them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from cri_shim.kernel.executors import FS, run
from cri_shim.store.container_directories import remove_container_files
from cri_shim.store.idmapped_mounts import unmount_idmapped
from cri_shim.store.image_mount_points import unmount_images
from cri_shim.store.pod_directories import remove_pod_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

log = structlog.get_logger(__name__)


class _Kind(Struct, frozen=True):
    """Directories named after what they belong to, and how one goes."""

    parents: tuple[Path, ...]
    remove: Callable[[str], None]

    def names(self) -> set[str]:
        return {entry.name for parent in self.parents if parent.is_dir() for entry in parent.iterdir()}


async def remove_orphans(kernel: Kernel, paths: Paths, living: Callable[[], Collection[str]]) -> None:
    """Remove the directories, mounts and namespaces of all whose ids are not among the ``living``.

    What cannot be removed is logged. ``living`` is asked once, after the directories were listed; it has to know what
    is being made, too.
    """
    kinds = (
        _Kind((paths.sandboxes_root(), paths.sandboxes_state()), lambda id_: remove_pod_files(kernel, paths, id_)),
        _Kind((paths.containers_root(), paths.containers_state()), lambda id_: remove_container_files(paths, id_)),
        _Kind((paths.idmapped(),), lambda id_: unmount_idmapped(kernel, paths, id_)),
        _Kind((paths.image_mounts(),), lambda id_: unmount_images(kernel, paths, id_)),
    )
    listed = await run(FS, lambda: [kind.names() for kind in kinds])
    spared = frozenset(living())
    for kind, names in zip(kinds, listed, strict=True):
        for id_ in names - spared:
            await run(FS, _remove, kind, id_)


def _remove(kind: _Kind, id_: str) -> None:
    try:
        kind.remove(id_)
    except OSError as error:
        log.warning("recovery.orphan_stays", id=id_, error=str(error))
    else:
        log.info("recovery.orphan_removed", id=id_)
