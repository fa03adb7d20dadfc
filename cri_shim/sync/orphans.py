"""Remove what pods and containers left on disk without a record, because a crash came between the two.

Everything is listed before ``living`` is asked for the ids that are alive. A pod that is made meanwhile holds its name
before it has directories, so either its directories are not listed or it is alive. In the reverse order it could lose
them.

An entry that is no directory belongs to no pod or container, and is removed like one; a link is not followed.

A pod whose record another client deleted may still be on its network. It is detached before its directories are
removed, because only they still hold what the detachment needs.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from cri_shim.disk.container_directories import remove_container_files
from cri_shim.disk.idmapped_mounts import unmount_idmapped
from cri_shim.disk.image_mount_points import unmount_images
from cri_shim.disk.pod_directories import noted_netns, remove_pod_files
from cri_shim.errors import CriError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.presence import entries_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable
    from pathlib import Path

    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

log = structlog.get_logger(__name__)


class _Kind(Struct, frozen=True):
    """Directories named after what they belong to, and how to remove one."""

    parents: tuple[Path, ...]
    remove: Callable[[str], None]

    def names(self) -> set[str]:
        return {entry.name for parent in self.parents for entry in entries_of(parent)}


async def remove_orphaned_files(
    kernel: Kernel,
    paths: Paths,
    living: Callable[[], Collection[str]],
    detach: Callable[[str, str], Awaitable[None]],
) -> None:
    """Remove the directories, mounts and namespaces of everything whose id is not among the ``living``.

    What cannot be removed is logged. ``living`` is called once, after the directories were listed, and must include
    what is being made. ``detach`` takes a pod off its network, given its id and its network namespace, or raises
    CriError.

    A directory that cannot be read does not keep the others from being cleared; raises its ``OSError`` at the end.
    """
    kinds = (
        _Kind((paths.sandboxes_root(), paths.sandboxes_state()), lambda id_: remove_pod_files(kernel, paths, id_)),
        _Kind((paths.containers_root(), paths.containers_state()), lambda id_: remove_container_files(paths, id_)),
        _Kind((paths.idmapped(),), lambda id_: unmount_idmapped(kernel, paths, id_)),
        _Kind((paths.image_mounts(),), lambda id_: unmount_images(kernel, paths, id_)),
    )
    names_of_kinds, unread = await run(FS, _names, kinds)
    spared = frozenset(living())
    await run(FS, _unlink_files, [parent for kind in names_of_kinds for parent in kind.parents], spared)
    pods = names_of_kinds.get(kinds[0], set())
    attached = {id_ for id_ in pods - spared if not await _detached(paths, id_, detach)}
    for kind, names in names_of_kinds.items():
        for id_ in names - spared - attached:
            await run(FS, _remove, kind, id_)
    if unread is not None:
        raise unread


def _names(kinds: Iterable[_Kind]) -> tuple[dict[_Kind, set[str]], OSError | None]:
    """Return the names of each kind whose directories can be read, and the error of one that cannot."""
    names: dict[_Kind, set[str]] = {}
    unread: OSError | None = None
    for kind in kinds:
        try:
            names[kind] = kind.names()
        except OSError as error:
            unread = unread or error
    return names, unread


async def _detached(paths: Paths, id_: str, detach: Callable[[str, str], Awaitable[None]]) -> bool:
    """Take a pod off its network; return False if it stays attached, because its directories are then still needed."""
    try:
        netns_path = await run(FS, noted_netns, paths, id_)
        if netns_path:
            await detach(id_, netns_path)
    except (OSError, CriError) as error:
        log.warning("recovery.orphan_stays", id=id_, error=str(error))
        return False
    return True


def _unlink_files(parents: Iterable[Path], spared: Collection[str]) -> None:
    """Remove what is no directory, so that nothing below takes it for one, or goes to where a link leads."""
    for entry in [entry for parent in parents for entry in entries_of(parent) if entry.name not in spared]:
        try:
            if not stat.S_ISDIR(entry.lstat().st_mode):
                entry.unlink(missing_ok=True)
                log.info("recovery.orphan_removed", id=entry.name)
        except OSError as error:
            log.warning("recovery.orphan_stays", id=entry.name, error=str(error))


def _remove(kind: _Kind, id_: str) -> None:
    try:
        kind.remove(id_)
    except OSError as error:
        log.warning("recovery.orphan_stays", id=id_, error=str(error))
    else:
        log.info("recovery.orphan_removed", id=id_)
