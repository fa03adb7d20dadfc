"""Find out whether a daemon runs that uses these directories or this socket, without taking its locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.file_lock import holder_of_lock
from cri_shim.paths import DIRECTORY_LOCKS

if TYPE_CHECKING:
    from cri_shim.config import Config


def lock_files(config: Config) -> list[Path]:
    """Return the files that a daemon with this configuration locks."""
    directories = (config.root, config.state)
    in_directories = [Path(top, name) for top in directories for name in DIRECTORY_LOCKS]
    return [Path(f"{config.socket_path}.lock"), *in_directories]


def holder_of(config: Config) -> str:
    """Return what holds one of the locks, for example ``process 4711``; empty if nothing does. Blocks.

    Raises OSError for a lock that cannot be looked at.
    """
    return next((holder for path in lock_files(config) if (holder := holder_of_lock(path))), "")
