"""The node's side of a container's mounts: where a path really is, and how its mount propagates.

A source that is not there is made as a directory, as the in-process plugin does. All of it may touch dead network file
systems, so it runs in a thread and never on the event loop (containerd issue 13867).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.kernel.mountinfo import mount_of, read_mountinfo
from cri_shim.oci.mounts import ResolvedMount, SourceMount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def resolve_mounts(mounts: Sequence[cri.Mount], images: Mapping[int, str]) -> tuple[ResolvedMount, ...]:
    """Find the source of every mount; raises InvalidArgumentError naming the one that cannot be found.

    ``images`` says where the images among them are mounted, by their place in ``mounts``. Blocks: call it in an
    executor.
    """
    propagating = any(mount.propagation != cri.PROPAGATION_PRIVATE for mount in mounts)
    table = read_mountinfo() if propagating else []
    resolved = []
    for place, mount in enumerate(mounts):
        source = images[place] if place in images else _source(mount)
        below = None
        if mount.propagation != cri.PROPAGATION_PRIVATE:
            point = mount_of(source, table)
            below = SourceMount(point.path, shared=point.shared, slave=point.slave)
        resolved.append(ResolvedMount.of(mount, source, below))
    return tuple(resolved)


def _source(mount: cri.Mount) -> str:
    if not mount.container_path:
        raise InvalidArgumentError(f"mount of {mount.host_path!r} has no container_path")
    if not mount.host_path:
        raise InvalidArgumentError(f"mount at {mount.container_path!r} has no host_path")
    path = Path(mount.host_path)
    try:
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True, mode=0o755)
        return os.path.realpath(path, strict=True)
    except OSError as error:
        raise InvalidArgumentError(
            f"host path {mount.host_path!r} of the mount at {mount.container_path!r} cannot be used: {error.strerror}"
        ) from error
