"""Give a pod with a user namespace the files that all pods share, with owners that the pod can be.

The root file system is an overlay whose image layers are mounted with mapped ids, so that no file is copied and no
owner changes on disk; the writable layer belongs to the pod's root from the beginning. Volumes, and the pod's files in
/etc, are mounted with mapped ids too and are given to the OCI runtime as ordinary bind mounts. All these mounts are
made right before the runtime makes the container and removed right after: the container has its copies by then.

containerd 2.x and runc 1.2 can do both themselves. Done here, it works the same with every containerd and every runc.
Facts: CRI ``UserNamespace`` and ``Mount``; overlayfs accepts mapped lower layers since Linux 5.19.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from containerd_client.api.containerd.types.types_pb2 import Mount
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.idmapped_mounts import idmapped_point, mount_idmapped_at, noted_sources, unmount_idmapped
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.kernel.executors import FS, MOUNT, run
from cri_shim.node_faults import is_node_fault
from cri_shim.oci.id_map import IdMap, id_map

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from cri_shim.config import RuntimeHandler
    from cri_shim.kernel import Kernel
    from cri_shim.node.handler_features import HandlerFeatures
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.mounts import ResolvedMount
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

_LOWER = "lowerdir="
_UPPER = "upperdir="
_MAPPED_ALREADY = ("uidmap=", "gidmap=")
# A user namespace may not clear these flags of a mount, and making it read-only would, so they must be repeated.
_LOCKED = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec"}


def id_map_of(sandbox: Sandbox) -> IdMap | None:
    """Return the id mapping of a pod; None for a pod with the node's ids."""
    return id_map(sandbox.config.linux.security_context.namespace_options)


def require_user_namespaces(
    features: Mapping[str, HandlerFeatures], handler: RuntimeHandler, mapping: IdMap | None, *, host_network: bool
) -> None:
    """Refuse a pod with mapped ids if the handler does not report that it supports them."""
    its = features[handler.name]
    reason = its.why_no_user_namespaces
    if host_network and its.user_namespaces and not its.user_namespaces_host_network:
        reason = "on the node's network its /sys must be recursively read-only, which its runtime cannot do"
    if mapping is not None and reason:
        raise FailedPreconditionError(
            f"runtime handler {handler.name!r} cannot give a pod a user namespace of its own: {reason}"
        )


def owner_on_node(sandbox: Sandbox, spec: Spec) -> tuple[int, int] | None:
    """Return the node's ids for the user of a process in a pod with mapped ids.

    The result is None in other pods, whose runtime knows the ids. Raises InvalidArgumentError for a user that the
    mapping does not have.
    """
    mapping = id_map_of(sandbox)
    if mapping is None:
        return None
    user = spec["process"]["user"]
    uid, gid = mapping.uids.on_node(user["uid"]), mapping.gids.on_node(user["gid"])
    if uid is None or gid is None:
        raise InvalidArgumentError(
            f"user {user['uid']}:{user['gid']} is outside the id mappings of the pod's user namespace "
            f"({mapping.uids.size} users, {mapping.gids.size} groups)"
        )
    return uid, gid


def mapped_mounts(
    paths: Paths, container_id: str, mapping: IdMap | None, mounts: Iterable[ResolvedMount], prefix: str
) -> tuple[tuple[ResolvedMount, ...], dict[str, str]]:
    """Redirect mounts that ask for mapped ids to places of their own.

    Returns all mounts, and the source for each new place; the names of the places start with ``prefix``. Raises
    InvalidArgumentError for a mapping other than the pod's, and for propagation to the node, which cannot be combined
    with mapped ids. Blocks.
    """
    result: list[ResolvedMount] = []
    sources: dict[str, str] = {}
    for mount in mounts:
        if mount.uid_mappings or mount.gid_mappings:
            _check(mount, mapping)
            place = f"{prefix}{len(sources)}"
            sources[place] = mount.source
            point = str(idmapped_point(paths, container_id, place))
            result.append(
                replace(mount, source=point, uid_mappings=(), gid_mappings=(), flags=_locked_flags(mount.source))
            )
        else:
            result.append(mount if mapping is None else replace(mount, flags=_locked_flags(mount.source)))
    return tuple(result), sources


def _check(mount: ResolvedMount, mapping: IdMap | None) -> None:
    what = f"mount at {mount.container_path!r}"
    if mapping is None:
        raise InvalidArgumentError(f"{what} has id mappings, but the pod has no user namespace of its own")
    if (mount.uid_mappings, mount.gid_mappings) != (mapping.uid_entries, mapping.gid_entries):
        raise InvalidArgumentError(f"{what} has id mappings other than the pod's; they must be the same")
    if mount.propagation == cri.PROPAGATION_BIDIRECTIONAL:
        raise InvalidArgumentError(f"{what} has id mappings and cannot propagate to the node at the same time")


def _locked_flags(source: str) -> tuple[str, ...]:
    flags = os.statvfs(source).f_flag
    return tuple(name for flag, name in _LOCKED.items() if flags & flag)


@asynccontextmanager
async def mapped(
    kernel: Kernel,
    paths: Paths,
    sandbox: Sandbox,
    id_: str,
    rootfs: Sequence[Mount],
    *,
    userns: str,
    sources: Mapping[str, str],
) -> AsyncIterator[Sequence[Mount]]:
    """Keep the mounts of a pod or container while its task is created; yield the root file system for the task.

    ``userns`` is the file of the pod's user namespace, and ``sources`` are those of :func:`mapped_mounts`. In a pod
    with the node's ids nothing is mounted. Raises FailedPreconditionError that names what cannot be mounted with mapped
    ids.
    """
    mapping = id_map_of(sandbox)
    if mapping is None:
        yield rootfs
        return
    mounter = _Mounter(kernel, paths, id_, mapping, userns)
    try:
        try:
            mounts = await run(MOUNT, mounter.mount, rootfs, sources)
        except OSError as error:
            if is_node_fault(error):
                raise
            raise FailedPreconditionError(
                f"{error.filename or id_} cannot be mounted with mapped ids, which a pod with a user namespace needs: "
                f"{error.strerror or error}"
            ) from error
        yield mounts
    finally:
        await run(MOUNT, mounter.unmount)


@asynccontextmanager
async def mapped_for(
    kernel: Kernel, paths: Paths, sandboxes: Index[Sandbox], container: Container, rootfs: Sequence[Mount]
) -> AsyncIterator[Sequence[Mount]]:
    """Do the same as :func:`mapped` for a container of a running pod."""
    sandbox = sandboxes.get(container.sandbox_id)
    sources = {} if id_map_of(sandbox) is None else await run(FS, noted_sources, paths, container.id)
    # The namespace of the process and not the pinned one: a pod that the in-process plugin made need not have it pinned
    # here.
    userns = f"/proc/{sandbox.pid}/ns/user"
    async with mapped(kernel, paths, sandbox, container.id, rootfs, userns=userns, sources=sources) as mounts:
        yield mounts


async def remove_mapped(kernel: Kernel, paths: Paths, container: Container) -> None:
    """Remove the mounts that a daemon which died during the start of ``container`` has left; raises OSError."""
    if container.config.linux.security_context.namespace_options.HasField("userns_options"):
        await run(MOUNT, unmount_idmapped, kernel, paths, container.id)


class _Mounter(Struct, frozen=True):
    """Makes and removes the mounts of one pod or container. Every method blocks."""

    kernel: Kernel
    paths: Paths
    id: str
    mapping: IdMap
    userns: str

    def mount(self, rootfs: Sequence[Mount], sources: Mapping[str, str]) -> list[Mount]:
        self.unmount()  # an earlier daemon may have died in here
        for place, source in sources.items():
            self._bind(source, place)
        return [self._mapped_root(mount) for mount in rootfs]

    def unmount(self) -> None:
        unmount_idmapped(self.kernel, self.paths, self.id)

    def _bind(self, source: str, place: str) -> str:
        point = idmapped_point(self.paths, self.id, place)
        mount_idmapped_at(self.kernel, source, point, self.userns)
        return str(point)

    def _mapped_root(self, mount: Mount) -> Mount:
        """Return the same root file system with mapped ids."""
        if any(option.startswith(_MAPPED_ALREADY) for option in mount.options):
            return mount  # of a snapshot that the in-process plugin prepared
        if mount.type == "bind" and "rw" in mount.options:
            self._give(mount.source, like=None)  # without an image below, all of it belongs to the container
            return mount
        lowers = next((o.removeprefix(_LOWER).split(":") for o in mount.options if o.startswith(_LOWER)), [])
        upper = next((o.removeprefix(_UPPER) for o in mount.options if o.startswith(_UPPER)), "")
        if mount.type != "overlay" or not lowers or not upper:
            raise FailedPreconditionError(
                f"the snapshotter gives a root file system of type {mount.type!r}, whose ids cannot be mapped; "
                "a pod with a user namespace needs the snapshotter overlayfs"
            )
        self._give(upper, like=lowers[0])
        points = [self._bind(lower, f"layer-{number}") for number, lower in enumerate(lowers)]
        options = [_LOWER + ":".join(points) if option.startswith(_LOWER) else option for option in mount.options]
        return Mount(type=mount.type, source=mount.source, target=mount.target, options=options)

    def _give(self, directory: str, *, like: str | None) -> None:
        """Change the owner of a root directory to that of the image's directory ``like``, as the pod sees it."""
        info = Path(like or directory).stat()
        uid, gid = (info.st_uid, info.st_gid) if like else (0, 0)
        owner = self.mapping.uids.on_node(uid), self.mapping.gids.on_node(gid)
        os.chown(directory, *(-1 if number is None else number for number in owner))
