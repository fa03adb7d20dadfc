"""Make the directories of the daemon, closed to other users of the node.

A file in a volume of an image keeps its owner and its set-user-ID bit. A user of the node who could pass through the
directories on the way, and knows the path, could run it with the rights of its owner. The OCI runtime opens what it
mounts as root, before it enters a user namespace, so nothing else needs the way. (containerd closes its root likewise)

``state`` itself stays passable, because sockets that groups may use can be in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.paths import Paths

CLOSED = 0o700
_PASSABLE = 0o711
_OTHERS = 0o077

log = structlog.get_logger(__name__)


def make_own_directories(paths: Paths) -> None:
    """Make the missing directories, and close those that an earlier version has left open.

    A root that holds other entries as well stays as it is, because they may have users of their own; the daemon's own
    directories in it are closed. Raises ``OSError`` naming what cannot be made.
    """
    paths.state.mkdir(parents=True, exist_ok=True, mode=_PASSABLE)
    paths.root.mkdir(parents=True, exist_ok=True, mode=CLOSED)
    own: tuple[Path, ...] = (
        paths.sandboxes_root(),
        paths.sandboxes_state(),
        paths.containers_root(),
        paths.containers_state(),
        paths.image_mounts(),
        paths.idmapped(),
    )
    for directory in own:
        directory.mkdir(exist_ok=True, mode=CLOSED)
    names = {paths.learned_transport().name, paths.shim_calls().name, *(directory.name for directory in own)}
    if all(entry.name in names or entry.suffix == ".lock" for entry in paths.root.iterdir()):
        own = (paths.root, *own)
    for directory in own:
        _close(directory)


def _close(directory: Path) -> None:
    if not directory.stat().st_mode & _OTHERS:
        return
    try:
        directory.chmod(CLOSED)
    except OSError as error:
        log.warning("daemon.directory_open", path=str(directory), error=str(error))
