"""The two directories of a container and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.remove_tree import remove_tree

if TYPE_CHECKING:
    from cri_shim.paths import Paths


def make_container_dirs(paths: Paths, id_: str) -> None:
    """Make both directories; raises OSError naming the path."""
    paths.container_root(id_).mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.container_state(id_).mkdir(parents=True, exist_ok=True, mode=0o700)


def remove_container_files(paths: Paths, id_: str) -> None:
    """Remove both directories; gone is fine, raises OSError naming what stays. Blocks: call it in an executor."""
    for directory in (paths.container_state(id_), paths.container_root(id_)):
        remove_tree(directory)
