"""Classes of cache and memory bandwidth (Intel RDT, AMD QoS): groups of the kernel's resctrl file system.

The groups and their limits are created by containerd itself (``rdt_config_file`` of its tasks service) or by the
administrator. This module only checks that a class that pods may use exists. Source: the kernel's
Documentation/filesystems/resctrl.rst; OCI runtime-spec ``intelRdt``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.errors import FailedPreconditionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cri_shim.oci.defaults import Spec

RESCTRL = Path("/sys/fs/resctrl")

_NO_GROUPS = frozenset({"", ".", "..", "info", "mon_groups", "mon_data"})


def why_no_rdt(allowed: Collection[str], resctrl: Path = RESCTRL) -> str:
    """Return why pods cannot use any class; empty if they can. Blocks."""
    if not allowed:
        return "rdt_classes is empty in the configuration"
    if not (resctrl / "schemata").exists():
        return f"this node has no resctrl file system mounted at {resctrl}"
    return ""


def rdt_section(name: str, allowed: Collection[str], resctrl: Path = RESCTRL) -> Spec:
    """Return the runtime spec's ``intelRdt`` for a class. Blocks.

    Raises FailedPreconditionError for a class that pods may not use, and for a class that the kernel does not have.
    """
    if name not in allowed:
        raise FailedPreconditionError(
            f"RDT class {name!r} is not among the rdt_classes of the configuration: {', '.join(sorted(allowed))}"
        )
    if "/" in name or name in _NO_GROUPS or not (resctrl / name / "schemata").exists():
        raise FailedPreconditionError(f"RDT class {name!r} is not a group of {resctrl}")
    return {"closID": name}
