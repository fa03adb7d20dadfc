"""Make the mounts of a container: those of the request, the files of its pod, and the remaining defaults.

Everything that needs the node is done before: a :class:`ResolvedMount` has an existing source whose symbolic links are
resolved, and contains how the mount below it propagates. Source: CRI ``Mount``; containerd ``WithMounts``.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.defaults import Spec, mount
from cri_shim.oci.namespaces import id_mappings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CGROUP_MOUNT = "/sys/fs/cgroup"


class SourceMount(Struct, frozen=True):
    """The mount on the node that contains a source path, from ``/proc/self/mountinfo``."""

    mount_point: str
    shared: bool
    slave: bool


class ResolvedMount(Struct, frozen=True):
    """One bind mount into a container.

    ``source`` exists on the node. ``source_mount`` is needed only for a propagation other than private. The id
    mappings are spec entries (see :func:`cri_shim.oci.namespaces.id_mappings`) and request an idmapped mount. ``flags``
    are the flags of the source that a read-only mount must repeat, because it is made inside a user namespace.
    """

    container_path: str
    source: str
    readonly: bool = False
    propagation: int = cri.PROPAGATION_PRIVATE
    recursive_read_only: bool = False
    source_mount: SourceMount | None = None
    uid_mappings: tuple[Spec, ...] = ()
    gid_mappings: tuple[Spec, ...] = ()
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: cri.Mount, source: str, source_mount: SourceMount | None = None) -> ResolvedMount:
        """Return the mount of a request whose host path resolves to ``source``."""
        return cls(
            container_path=request.container_path,
            source=source,
            readonly=request.readonly,
            propagation=request.propagation,
            recursive_read_only=request.recursive_read_only,
            source_mount=source_mount,
            uid_mappings=tuple(id_mappings(request.uidMappings)),
            gid_mappings=tuple(id_mappings(request.gidMappings)),
        )


def clean(path: str) -> str:
    """Normalise a path in a container; a relative path starts at the root."""
    return posixpath.normpath("/" + path.lstrip("/"))


def pod_file_mounts(
    requested: Iterable[cri.Mount],
    *,
    hostname: str | None,
    hosts: str,
    resolv_conf: str,
    shm: str,
    readonly_rootfs: bool,
    uid_mappings: tuple[Spec, ...] = (),
    gid_mappings: tuple[Spec, ...] = (),
) -> tuple[ResolvedMount, ...]:
    """Return the mounts that all containers of a pod share: its three files in /etc and its /dev/shm.

    A path that the request mounts itself is left out; ``hostname`` is None for a pod that was made without that file.
    The files are read-only only if the whole root is, and shared memory never is. With mappings the files belong to
    the pod's root, while all users may use shared memory anyway.
    """
    taken = {clean(request.container_path) for request in requested}
    files = (("/etc/hostname", hostname), ("/etc/hosts", hosts), ("/etc/resolv.conf", resolv_conf))
    result = [
        ResolvedMount(path, source, readonly_rootfs, uid_mappings=uid_mappings, gid_mappings=gid_mappings)
        for path, source in files
        if source is not None and path not in taken
    ]
    if "/dev/shm" not in taken:  # noqa: S108 - a path in the container
        result.append(ResolvedMount("/dev/shm", shm))  # noqa: S108 - a path in the container
    return tuple(result)


def cgroup_mount(*, writable: bool, host_options: Sequence[str] = ()) -> Spec:
    """Return the mount of the cgroup file system.

    ``host_options`` are the options of the node's own cgroup2 mount that belong to its superblock: if a container in
    the node's cgroup namespace mounted it without them, they would be removed for the whole node.
    """
    mode = "rw" if writable else "ro"
    return mount(CGROUP_MOUNT, "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", mode, *host_options)


def host_sys_mount() -> Spec:
    """Return /sys for a pod with its own user namespace on the host's network, which may not mount a sysfs."""
    return mount("/sys", "bind", "/sys", "rbind", "rro", "nosuid", "nodev", "noexec")


def apply_mounts(
    spec: Spec,
    requested: Sequence[ResolvedMount],
    extra: Sequence[ResolvedMount],
    *,
    cgroup: Spec,
    recursive_read_only: bool,
) -> None:
    """Replace the spec's mounts with those that the container gets.

    If two mounts have the same path, a requested one wins over an extra one, and both win over a default; a requested
    /dev removes everything below the default /dev. Shallow paths come first, so that no mount hides another one. Sets
    ``linux.rootfsPropagation`` if a mount must propagate. ``recursive_read_only`` says whether the runtime handler
    supports recursive read-only mounts.

    Raises InvalidArgumentError for a mount that contradicts itself and FailedPreconditionError for a propagation
    that the source does not have.
    """
    taken = {clean(item.container_path) for item in requested}
    items = [*requested, *(item for item in extra if clean(item.container_path) not in taken)]
    items.sort(key=lambda item: clean(item.container_path).rstrip("/").count("/"))
    covered = {clean(item.container_path) for item in items}
    result = [
        default
        for default in [*spec["mounts"], cgroup]
        if clean(default["destination"]) not in covered
        and not ("/dev" in covered and clean(default["destination"]).startswith("/dev/"))
    ]
    root_propagation = ""
    for item in items:
        if item.propagation == cri.PROPAGATION_BIDIRECTIONAL:
            root_propagation = "rshared"
        elif item.propagation == cri.PROPAGATION_HOST_TO_CONTAINER and root_propagation != "rshared":
            root_propagation = "rslave"
        result.append(_bind(item, recursive_read_only=recursive_read_only))
    spec["mounts"] = result
    if root_propagation:
        spec["linux"]["rootfsPropagation"] = root_propagation


def _bind(item: ResolvedMount, *, recursive_read_only: bool) -> Spec:
    entry = mount(
        clean(item.container_path),
        "bind",
        item.source,
        "rbind",
        _propagation(item),
        _access(item, supported=recursive_read_only),
        *(item.flags if item.readonly else ()),
    )
    if item.uid_mappings or item.gid_mappings:
        entry["uidMappings"] = [dict(m) for m in item.uid_mappings]
        entry["gidMappings"] = [dict(m) for m in item.gid_mappings]
    return entry


def _propagation(item: ResolvedMount) -> str:
    if item.propagation == cri.PROPAGATION_PRIVATE:
        return "rprivate"
    below = item.source_mount
    if below is None:
        raise FailedPreconditionError(f"mount {item.container_path!r}: {item.source!r} is not on any known mount")
    if item.propagation == cri.PROPAGATION_BIDIRECTIONAL:
        if not below.shared:
            raise FailedPreconditionError(
                f"mount {item.container_path!r} asks for bidirectional propagation, but {item.source!r} is on "
                f"{below.mount_point!r}, which is not a shared mount"
            )
        return "rshared"
    if item.propagation == cri.PROPAGATION_HOST_TO_CONTAINER:
        if not (below.shared or below.slave):
            raise FailedPreconditionError(
                f"mount {item.container_path!r} asks for propagation from the host, but {item.source!r} is on "
                f"{below.mount_point!r}, which is neither a shared nor a slave mount"
            )
        return "rslave"
    raise InvalidArgumentError(f"mount {item.container_path!r}: unknown propagation {item.propagation}")


def _access(item: ResolvedMount, *, supported: bool) -> str:
    if not item.recursive_read_only:
        return "ro" if item.readonly else "rw"
    if not item.readonly:
        raise InvalidArgumentError(f"mount {item.container_path!r}: recursive_read_only needs readonly as well")
    if item.propagation != cri.PROPAGATION_PRIVATE:
        raise InvalidArgumentError(f"mount {item.container_path!r}: recursive_read_only needs private propagation")
    if not supported:
        raise InvalidArgumentError(
            f"mount {item.container_path!r}: this runtime handler cannot mount recursively read-only"
        )
    return "rro"
