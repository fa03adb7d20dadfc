"""Find out whether a daemon runs that uses these directories or this socket, without taking its locks."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.paths import DIRECTORY_LOCKS

if TYPE_CHECKING:
    from cri_shim.config import Config

_LONGEST_PID: Final = 20


def lock_files(config: Config) -> list[Path]:
    """Return the files that a daemon with this configuration locks."""
    directories = (config.root, config.state)
    in_directories = [Path(top, name) for top in directories for name in DIRECTORY_LOCKS]
    return [Path(f"{config.socket_path}.lock"), *in_directories]


def holder_of(config: Config) -> str:
    """Return what holds one of the locks, for example ``process 4711``; empty if nothing does. Blocks.

    Raises OSError for a lock that cannot be looked at.
    """
    for path in lock_files(config):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            # Shared, so that two such looks do not see each other.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, _LONGEST_PID).strip()
            return f"process {int(pid)}" if pid.isdigit() else "another process"
        finally:
            os.close(descriptor)
    return ""
