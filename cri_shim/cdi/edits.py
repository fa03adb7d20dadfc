"""Write the edits of CDI devices into a runtime spec that is otherwise finished.

The functions are pure except for ``find_node``, which reports what a path on the host is. Source: CDI SPEC.md,
"containerEdits"; where it says nothing, the behaviour of its Go library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.cdi.model import NO_ACCESS
from cri_shim.errors import FailedPreconditionError, UnimplementedError
from cri_shim.oci.mounts import clean
from cri_shim.oci.process import merge_env

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cri_shim.cdi.model import DeviceNode, Edits, IntelRdt, Mount
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.devices import DeviceNode as HostNode

    FindNode = Callable[[str], HostNode | None]
    """Returns the device at a path of the host, None if the path is not a device; raises OSError if it is missing."""


def apply_edits(spec: Spec, edits: Iterable[Edits], find_node: FindNode, *, rdt: bool) -> None:
    """Make the changes in ``spec`` in order; ``rdt`` says whether the node has RDT classes.

    Raises FailedPreconditionError for a device node that is missing or of another type on the host, and for a class on
    a node without RDT; UnimplementedError for edits that no supported runtime can make.
    """
    for edit in edits:
        if edit.net_devices:
            names = ", ".join(device.host_interface_name for device in edit.net_devices)
            raise UnimplementedError(f"CDI device injection failed: network interfaces ({names}) cannot be moved yet")
        if edit.env:
            spec["process"]["env"] = merge_env(spec["process"].get("env", ()), edit.env)
        for node in edit.device_nodes:
            _add_node(spec, node, find_node)
        for mount in edit.mounts:
            _add_mount(spec, mount)
        for hook in edit.hooks:
            entry: Spec = {"path": hook.path, "args": list(hook.args), "env": list(hook.env)}
            if hook.timeout is not None:
                entry["timeout"] = hook.timeout
            spec.setdefault("hooks", {}).setdefault(hook.hook_name, []).append(_without_empty(entry))
        if edit.intel_rdt is not None:
            spec["linux"]["intelRdt"] = _rdt(edit.intel_rdt, rdt)
        _add_groups(spec, edit.additional_gids)


def _add_node(spec: Spec, node: DeviceNode, find_node: FindNode) -> None:
    """Add one device node in place of another at its path; missing fields are taken from the host."""
    host_path = node.host_path or node.path
    complete = bool(node.type) and (node.major != 0 or node.type == "p")
    host, problem = None, "is not a device"
    try:
        host = find_node(host_path)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    if host is None and not complete:
        raise FailedPreconditionError(f"CDI device injection failed: host device {host_path!r} {problem}")
    kind, major, minor, mode = node.type, node.major, node.minor, node.file_mode
    if host is not None:
        mode = host.mode if mode is None else mode
        if not complete:
            if kind and kind.replace("u", "c") != host.kind:
                raise FailedPreconditionError(
                    f"CDI device injection failed: {host_path!r} is of type {host.kind} on this host, not {kind}"
                )
            kind = kind or host.kind
            if kind != "p" and major == 0:
                major, minor = host.major, host.minor
    user = spec["process"].get("user", {})
    entry: Spec = {"path": node.path, "type": kind, "major": major, "minor": minor}
    if mode is not None:
        entry["fileMode"] = mode
    for name, given in (("uid", node.uid), ("gid", node.gid)):
        owner = given if given is not None else user.get(name) or None
        if owner is not None:
            entry[name] = owner
    linux = spec["linux"]
    linux["devices"] = [*(old for old in linux.get("devices") or () if old["path"] != node.path), entry]
    if kind in {"b", "c"}:
        access = {"": "rwm", NO_ACCESS: ""}.get(node.permissions, node.permissions)
        rule = {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
        linux.setdefault("resources", {}).setdefault("devices", []).append(rule)


def _add_mount(spec: Spec, mount: Mount) -> None:
    """Add one mount in place of another at its path; shallow paths come first, so that no mount hides another."""
    options = list(mount.options)
    own_users = any(namespace["type"] == "user" for namespace in spec["linux"].get("namespaces", ()))
    if own_users and not {"idmap", "ridmap"} & set(options):
        if "rbind" in options:
            options.append("ridmap")
        elif "bind" in options or mount.type == "bind":
            options.append("idmap")
    entry: Spec = {"destination": mount.container_path, "source": mount.host_path, "type": mount.type}
    entry["options"] = options
    path = clean(mount.container_path)
    mounts = [*(old for old in spec["mounts"] if clean(old["destination"]) != path), _without_empty(entry)]
    spec["mounts"] = sorted(mounts, key=lambda item: clean(item["destination"]).rstrip("/").count("/"))


def _add_groups(spec: Spec, groups: Iterable[int]) -> None:
    user = spec["process"].setdefault("user", {"uid": 0, "gid": 0})
    held = user.get("additionalGids") or []
    added = [group for group in dict.fromkeys(groups) if group and group not in held]
    if added:
        user["additionalGids"] = [*held, *added]


def _rdt(requested: IntelRdt, available: bool) -> Spec:
    if not available:
        raise FailedPreconditionError(
            f"CDI device injection failed: the device brings the RDT class {requested.clos_id!r}, "
            "but this node has no resctrl file system mounted at /sys/fs/resctrl"
        )
    return _without_empty(
        {
            "closID": requested.clos_id,
            "l3CacheSchema": requested.l3_cache_schema,
            "memBwSchema": requested.mem_bw_schema,
            "schemata": list(requested.schemata),
            "enableMonitoring": requested.enable_monitoring,
        }
    )


def _without_empty(entry: Spec) -> Spec:
    return {key: value for key, value in entry.items() if value not in ("", [], False)}
