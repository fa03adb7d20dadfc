"""The node's side of a container's mounts: where a path really leads, and how its mount propagates.

A source that does not exist is made as a directory, as the in-process plugin does. All of this may touch dead network
file systems, so it runs in a thread and never on the event loop (containerd issue 13867).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.kernel.mountinfo import mount_of, read_mountinfo
from cri_shim.node_faults import is_node_fault
from cri_shim.oci.mounts import ResolvedMount, SourceMount
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def resolve_mounts(mounts: Sequence[cri.Mount], images: Mapping[int, str]) -> tuple[ResolvedMount, ...]:
    """Find the source of every mount; raises InvalidArgumentError that names one that cannot be found.

    ``images`` has the node's paths of the images among the mounts, by their place in ``mounts``. Blocks: call it in an
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
    try:
        source = _existing_or_made(mount.host_path)
        source.encode()
    except OSError as error:
        if is_node_fault(error):
            raise
        raise InvalidArgumentError(
            f"host path '{escaped(mount.host_path)}' of the mount at '{escaped(mount.container_path)}' cannot be used: "
            f"{error.strerror}"
        ) from error
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"host path '{escaped(mount.host_path)}' of the mount at '{escaped(mount.container_path)}' leads to a path "
            "that is not UTF-8, which a runtime spec cannot hold"
        ) from None
    return source


def _existing_or_made(path: str) -> str:
    try:
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        try:
            _make_directories(path)
        except FileExistsError as error:
            raise OSError(error.errno, "it is a symbolic link to something that does not exist", path) from error
        return os.path.realpath(path, strict=True)


def _make_directories(path: str) -> None:
    """Make a directory and its missing parents, however many: the library's function calls itself for each."""
    missing = [path]
    while missing:
        try:
            os.mkdir(missing[-1], 0o755)  # noqa: PTH102 - the path is text, and may be long
        except FileNotFoundError:
            parent = os.path.dirname(missing[-1])  # noqa: PTH120
            if os.path.isdir(parent):  # noqa: PTH112
                # It was made meanwhile, or nothing can be made in it: /proc reports that with the same error.
                with suppress(FileExistsError):
                    os.mkdir(missing[-1], 0o755)  # noqa: PTH102
            else:
                missing.append(parent)
        except FileExistsError:
            # Another container's mount may have made it meanwhile.
            if not os.path.isdir(missing[-1]):  # noqa: PTH112
                raise
            missing.pop()
        else:
            missing.pop()
