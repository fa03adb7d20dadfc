"""Check names of CDI devices, ``vendor.com/class=device``, and collect those that a container requests.

Kubelets list them in ``ContainerConfig.CDI_devices``. Kubelets before 1.28, and device plugins that do it themselves,
list them in annotations below ``cdi.k8s.io/``, separated by commas. Source: CDI SPEC.md; CRI ``CDIDevice``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

ANNOTATION_PREFIX = "cdi.k8s.io/"

_KIND_PART = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?", re.ASCII)


def check_kind(kind: str) -> str:
    """Return what is wrong with a kind, ``vendor/class``; empty if it is valid."""
    vendor, slash, class_ = kind.partition("/")
    if not slash:
        return f"kind {kind!r} is not of the form vendor/class"
    for what, name in (("vendor", vendor), ("class", class_)):
        if not _KIND_PART.fullmatch(name):
            return (
                f"{what} {name!r} of kind {kind!r} is malformed; it may have letters, digits, '.', '_' and '-', "
                "must begin with a letter and must not end with a sign"
            )
    return ""


def check_device(name: str) -> str:
    """Return what is wrong with the name of a device within its kind; empty if it is valid."""
    if _DEVICE.fullmatch(name):
        return ""
    return (
        f"device name {name!r} is malformed; it may have letters, digits, '.', '_', '-' and ':', "
        "and must neither begin nor end with a sign"
    )


def check_qualified(name: str) -> str:
    """Return what is wrong with a qualified name; empty if it is valid."""
    kind, equals, device = name.partition("=")
    if not equals:
        return f"{name!r} is not of the form vendor/class=device"
    return check_kind(kind) or check_device(device)


def requested_devices(config: cri.ContainerConfig) -> list[str]:
    """Return the qualified names that a container requests, each once: first the field's, then the annotations'.

    Raises InvalidArgumentError for a malformed name.
    """
    asked = [("CDI_devices", device.name) for device in config.CDI_devices]
    for key in sorted(config.annotations):
        if key.startswith(ANNOTATION_PREFIX):
            asked += [(f"annotation {key}", name) for name in config.annotations[key].split(",")]
    for where, name in asked:
        problem = check_qualified(name)
        if problem:
            raise InvalidArgumentError(f"CDI device in {where}: {problem}")
    return list(dict.fromkeys(name for _, name in asked))
