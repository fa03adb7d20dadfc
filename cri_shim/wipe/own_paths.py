"""Name the files and directories that the daemon makes in its root and in its state.

Other entries may belong to others, such as the journal of ``cri-shim setup``: they stay, and so does the directory.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.explorer.http_server import ADDRESS_FILE
from cri_shim.paths import namespace_lock_file
from cri_shim.wipe.running_daemon import lock_files

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.paths import Paths


def own_paths(config: Config, paths: Paths) -> list[Path]:
    """Return them, the locks last, without looking whether they are there."""
    sockets = [paths.state / "fifo-holder.sock", paths.state / ADDRESS_FILE, Path(config.socket_path)]
    if config.http.address.startswith("unix://"):
        listener = config.http.address.removeprefix("unix://")
        sockets += [Path(listener), Path(f"{listener}.lock")]
    return [
        *pod_directories(paths),
        paths.learned_transport(),
        paths.shim_calls(),
        *sockets,
        *dict.fromkeys(lock_files(config)),
        Path(namespace_lock_file(config.containerd.address, config.containerd.namespace)),
    ]


def pod_directories(paths: Paths) -> list[Path]:
    """Return the directories of which everything in them belongs to a pod or a container of ours."""
    return [
        paths.sandboxes_root(),
        paths.containers_root(),
        paths.sandboxes_state(),
        paths.containers_state(),
        paths.image_mounts(),
        paths.idmapped(),
        *([paths.netns_dir()] if paths.netns_under_state else []),
    ]


def remove_own_paths(config: Config, paths: Paths) -> dict[str, str]:
    """Remove them, and root and state if nothing else is in them. Blocks; returns the reason of what stays, by path.

    Directories of pods have to be empty: what is in them could not be removed by what knows how to.
    """
    failed: dict[str, str] = {}
    for path in own_paths(config, paths):
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            failed[str(path)] = error.strerror or str(error)
    for top in sorted((paths.root, paths.state), reverse=True):  # one may be in the other
        with suppress(OSError):  # something of others is in it, such as the journal of a set-up
            top.rmdir()
    return failed
