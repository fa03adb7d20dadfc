"""Decide which namespaces a process gets: new ones, the sandbox's, another container's, or the host's.

A sandbox makes the pod's namespaces, except the network namespace, which exists before it as a file that CNI has
configured. A container joins the sandbox's namespaces by pid, or, in a pod without a process of its own, by the files
that hold them. Source: CRI ``NamespaceOption``; containerd ``WithPodNamespaces``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.oci.defaults import Spec


class PodNamespaces(Struct, frozen=True):
    """The files by which to join a pod's namespaces; empty means the node's, or for ``pid`` and ``user`` none."""

    network: str
    ipc: str
    uts: str
    pid: str = ""
    user: str = ""

    @classmethod
    def of_process(cls, pid: int) -> PodNamespaces:
        """Return the namespaces of a pod's process; where the pod uses the node's, so does its process."""
        return cls(*(f"/proc/{pid}/ns/{kind}" for kind in ("net", "ipc", "uts", "pid", "user")))


def set_namespace(spec: Spec, kind: str, path: str = "") -> None:
    """Make the process enter the namespace at ``path``, or a new one of that kind if the path is empty."""
    entry = {"type": kind, "path": path} if path else {"type": kind}
    entries = spec["linux"]["namespaces"]
    for index, present in enumerate(entries):
        if present["type"] == kind:
            entries[index] = entry
            return
    entries.append(entry)


def drop_namespace(spec: Spec, kind: str) -> None:
    """Leave the process in the host's namespace of that kind."""
    spec["linux"]["namespaces"] = [entry for entry in spec["linux"]["namespaces"] if entry["type"] != kind]


def user_namespace_wanted(options: cri.NamespaceOption) -> bool:
    """Return whether the pod has its own user namespace; raises InvalidArgumentError for invalid mappings."""
    if not options.HasField("userns_options"):
        return False
    userns = options.userns_options
    if userns.mode == cri.NODE:
        if userns.uids or userns.gids:
            raise InvalidArgumentError("user namespace mode NODE comes with id mappings; leave them out")
        return False
    if userns.mode != cri.POD:
        raise InvalidArgumentError(f"user namespace mode {userns.mode} is not supported; use POD or NODE")
    for name, mappings in (("uid", userns.uids), ("gid", userns.gids)):
        if len(mappings) != 1:
            raise InvalidArgumentError(
                f"a user namespace needs exactly one {name} mapping, the request has {len(mappings)}"
            )
        if mappings[0].length < 1:
            raise InvalidArgumentError(f"the {name} mapping of the user namespace has length 0; it must be at least 1")
    return True


def id_mappings(mappings: Iterable[cri.IDMapping]) -> list[Spec]:
    """Return CRI id mappings in the form of the runtime spec."""
    return [{"containerID": m.container_id, "hostID": m.host_id, "size": m.length} for m in mappings]


def set_user_namespace(spec: Spec, options: cri.NamespaceOption, path: str = "") -> None:
    """Put the process into a user namespace with the mappings of ``options``: the one at ``path``, or a new one."""
    set_namespace(spec, "user", path)
    spec["linux"]["uidMappings"] = id_mappings(options.userns_options.uids)
    spec["linux"]["gidMappings"] = id_mappings(options.userns_options.gids)


def set_sandbox_namespaces(spec: Spec, options: cri.NamespaceOption, netns_path: str, userns_path: str = "") -> bool:
    """Set a sandbox's namespaces; returns whether it has a user namespace.

    ``netns_path`` is the file that the network namespace is bound to (unused for a pod on the host's network).
    """
    if options.network == cri.NODE:
        drop_namespace(spec, "network")
        drop_namespace(spec, "uts")
    elif not netns_path:
        raise InvalidArgumentError("a sandbox with a network of its own needs the path of its network namespace")
    else:
        set_namespace(spec, "network", netns_path)
    if options.pid == cri.NODE:
        drop_namespace(spec, "pid")
    if options.ipc == cri.NODE:
        drop_namespace(spec, "ipc")
    if not user_namespace_wanted(options):
        drop_namespace(spec, "user")
        return False
    set_user_namespace(spec, options, userns_path)
    return True


def set_container_namespaces(
    spec: Spec, options: cri.NamespaceOption, sandbox: cri.NamespaceOption, pod: PodNamespaces, target_pid: int | None
) -> bool:
    """Put a container into the namespaces of its ``pod``; returns whether the pod has a user namespace.

    ``target_pid`` is the init process of the container whose processes this one sees (mode TARGET only).
    """
    for kind, path in (("network", pod.network), ("ipc", pod.ipc), ("uts", pod.uts)):
        if path:
            set_namespace(spec, kind, path)
        else:
            drop_namespace(spec, kind)
    if options.pid == cri.TARGET:
        if target_pid is None:
            raise InvalidArgumentError(
                f"pid namespace mode TARGET: container {options.target_id!r} is not running here"
            )
        set_namespace(spec, "pid", f"/proc/{target_pid}/ns/pid")
    elif options.pid != cri.CONTAINER:
        if not pod.pid:
            raise InvalidArgumentError(
                f"pid namespace mode {cri.NamespaceMode.Name(options.pid)} of the container differs from its pod's, "
                "which is CONTAINER: there is no namespace to share; ask for the same in both"
            )
        set_namespace(spec, "pid", pod.pid)
    wanted = user_namespace_wanted(options)
    if wanted != user_namespace_wanted(sandbox) or (wanted and options.userns_options != sandbox.userns_options):
        raise InvalidArgumentError("the container's user namespace differs from its pod's; they must be the same")
    if not wanted:
        drop_namespace(spec, "user")
        return False
    if sandbox.network == cri.NODE:
        # Entering a namespace requires rights in its owning user namespace, and the pod's does not own the node's.
        drop_namespace(spec, "network")
        drop_namespace(spec, "uts")
    set_user_namespace(spec, options, pod.user)
    return True
