"""Make and remove the two directories of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.remove_tree import remove_tree

if TYPE_CHECKING:
    from cri_shim.paths import Paths


def make_container_dirs(paths: Paths, id_: str) -> None:
    """Make both directories.

    Raises ``OSError`` naming the path.
    """
    paths.container_root(id_).mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.container_state(id_).mkdir(parents=True, exist_ok=True, mode=0o700)


def remove_container_files(paths: Paths, id_: str) -> None:
    """Remove both directories; a directory that is gone is fine.

    Blocking: call it in an executor. Raises ``OSError`` naming what stays.
    """
    for directory in (paths.container_state(id_), paths.container_root(id_)):
        remove_tree(directory)
