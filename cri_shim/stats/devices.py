"""Look up names of block devices, and the size of the file system below a directory.

Blocking; call it in a thread.
"""

from __future__ import annotations

import os
from functools import lru_cache

from cri_shim.stats.metric_values import FileSystem


@lru_cache(maxsize=256)
def device_name(major: int, minor: int) -> str:
    """Return the path of a device such as ``/dev/vda1``.

    For one without a node (a subvolume, an overlay), its numbers.
    """
    try:
        return f"/dev/{os.path.basename(os.readlink(f'/sys/dev/block/{major}:{minor}'))}"  # noqa: PTH115, PTH119
    except OSError:
        return f"{major}:{minor}"


def file_system(directory: str) -> FileSystem | None:
    """Return the file system that ``directory`` is on; None if the directory does not exist."""
    try:
        facts = os.statvfs(directory)
        device = os.stat(directory).st_dev  # noqa: PTH116
    except OSError:
        return None
    return FileSystem(
        device=device_name(os.major(device), os.minor(device)),
        bytes=facts.f_blocks * facts.f_frsize,
        inodes=facts.f_files,
        inodes_free=facts.f_ffree,
    )
