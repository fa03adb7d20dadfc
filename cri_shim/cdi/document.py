"""Parse and check one CDI file: its kind, its devices, and the edits that each makes to a container.

A file with a mistake is rejected as a whole, because half a device is worse than none. Files are YAML, of which JSON is
a subset. Source: CDI SPEC.md, "JSON Schema"; the checks are those of its Go library.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from cri_shim.cdi.model import HOOKS, NO_ACCESS, Document, Edits
from cri_shim.cdi.names import check_device, check_kind
from cri_shim.cdi.versions import check_version
from cri_shim.oci.yaml_text import yaml_as_json
from untrusted import DocumentError, parse_yaml_object, read_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.cdi.model import DeviceNode, Hook, IntelRdt, NetDevice
    from untrusted import Object
    from untrusted.shape import Shape

_NAME_MAX = 4096

_EDITS: Final[Shape] = {
    "env": "texts",
    "deviceNodes": [
        {
            **dict.fromkeys(("path", "hostPath", "type", "permissions"), "text"),
            **dict.fromkeys(("major", "minor"), "integer"),
            **dict.fromkeys(("fileMode", "uid", "gid"), "unsigned"),
        }
    ],
    "netDevices": [{"hostInterfaceName": "text", "name": "text"}],
    "hooks": [{"hookName": "text", "path": "text", "args": "texts", "env": "texts", "timeout": "integer"}],
    "mounts": [{"hostPath": "text", "containerPath": "text", "options": "texts", "type": "text"}],
    "intelRdt": {
        **dict.fromkeys(("closID", "l3CacheSchema", "memBwSchema"), "text"),
        "schemata": "texts",
        "enableMonitoring": "boolean",
    },
    "additionalGids": "integers",
}
DOCUMENT: Final[Shape] = {
    "cdiVersion": "text",
    "kind": "text",
    "devices": [{"name": "text", "containerEdits": _EDITS, "annotations": "text_map"}],
    "containerEdits": _EDITS,
    "annotations": "text_map",
}
"""What a file may hold; the structures of :mod:`cri_shim.cdi.model` get their values under these names."""


def parse_document(text: bytes) -> Document:
    """Parse and check a file; raises ValueError that says what is wrong with it."""
    document = msgspec.convert(read_shape(_load(text), DOCUMENT, unknown="refuse"), Document)
    problem = check_version(document) or check_kind(document.kind) or _edits_problem(document.container_edits)
    if problem:
        raise ValueError(problem)
    if not document.devices:
        raise ValueError("it has no devices")
    seen = set[str]()
    for device in document.devices:
        problem = check_device(device.name) or _edits_problem(device.container_edits)
        if not problem and device.container_edits == Edits():
            problem = "its containerEdits are empty"
        if not problem and device.name in seen:
            problem = "it occurs twice"
        if problem:
            raise ValueError(f"device {device.name!r}: {problem}")
        seen.add(device.name)
    return document


def _load(text: bytes) -> Object:
    # JSON is YAML, except for the tabs with which many programs indent it.
    if text.lstrip().startswith(b"{"):
        with suppress(DocumentError):
            return parse_yaml_object(text)
    # The Go library converts YAML to JSON and reads it by the rules of JSON, except that scalars may be strings.
    return parse_yaml_object(yaml_as_json(text))


def _edits_problem(edits: Edits) -> str:
    problems = [
        _env_problem(edits.env),
        *map(_node_problem, edits.device_nodes),
        *map(_hook_problem, edits.hooks),
        *("a mount without hostPath or containerPath" for m in edits.mounts if not (m.host_path and m.container_path)),
        _net_problem(edits.net_devices),
        _rdt_problem(edits.intel_rdt),
        *(f"group {gid} is out of range" for gid in edits.additional_gids if not 0 <= gid < 2**32),
    ]
    return next(filter(None, problems), "")


def _env_problem(env: Iterable[str]) -> str:
    return next((f"environment entry {entry!r} is not KEY=value" for entry in env if entry.find("=") < 1), "")


def _node_problem(node: DeviceNode) -> str:
    if not node.path:
        return "a device node without path"
    if node.type not in {"", "b", "c", "u", "p"}:
        return f"device node {node.path!r} has type {node.type!r}, which is not one of b, c, u and p"
    if node.permissions != NO_ACCESS and set(node.permissions) - set("rwm"):
        return f"device node {node.path!r} has permissions {node.permissions!r}; they must be letters out of r, w and m"
    return ""


def _hook_problem(hook: Hook) -> str:
    if hook.hook_name not in HOOKS:
        return f"hook {hook.hook_name!r} is not one of {', '.join(HOOKS)}"
    if not hook.path:
        return f"hook {hook.hook_name!r} has no path"
    return _env_problem(hook.env)


def _net_problem(devices: tuple[NetDevice, ...]) -> str:
    for names in ([d.host_interface_name for d in devices], [d.name for d in devices]):
        if not all(names):
            return "a net device without a name"
        if len(set(names)) < len(names):
            return f"two net devices have the same name: {', '.join(names)}"
    return ""


def _rdt_problem(rdt: IntelRdt | None) -> str:
    if rdt is None or rdt.clos_id == "/":
        return ""
    if len(rdt.clos_id) >= _NAME_MAX or rdt.clos_id in {".", ".."} or set(rdt.clos_id) & {"/", "\n"}:
        return f"closID {rdt.clos_id!r} is not a file name"
    return ""
