"""Remove the cgroups that runc leaves: the parents of containers' cgroups, in every hierarchy, once they are empty."""

from __future__ import annotations

import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_PAUSES = (0.0, 0.01, 0.05, 0.2, 1.0)


def remove(group: str) -> bool:
    """Remove a cgroup and those below it; return False when one is still in use."""
    for pause in _PAUSES:
        time.sleep(pause)
        there = [top / group.strip("/") for top in (ROOT, *ROOT.iterdir()) if (top / group.strip("/")).is_dir()]
        still_there = [folder for folder in there if not _remove_tree(folder)]
        if not still_there:
            return True
    return False


def _remove_tree(folder: Path) -> bool:
    """Remove a cgroup after those below it; return False when it is not empty."""
    try:
        for child in [entry for entry in folder.iterdir() if entry.is_dir()]:
            _remove_tree(child)
        folder.rmdir()
    except FileNotFoundError:
        return True  # something else has removed it
    except OSError:
        return False
    return True
