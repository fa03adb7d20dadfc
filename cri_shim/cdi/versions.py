"""Check the CDI version of a file: whether it is known, and whether it has everything that the file uses.

A file that uses more than its version has is rejected, so that a file has the same meaning for every runtime. Source:
the changelog in CDI SPEC.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cri_shim.cdi.model import Document, Edits

KNOWN = ("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")


def check_version(document: Document) -> str:
    """Return what is wrong with the version of a document; empty if it is valid."""
    version = document.cdi_version.removeprefix("v")
    if version not in KNOWN:
        return f"cdiVersion {document.cdi_version!r} is not known; known versions are {', '.join(KNOWN)}"
    needed = needed_version(document)
    # Files of the first two versions are read like those of the third.
    if KNOWN.index(needed) > max(KNOWN.index(version), KNOWN.index("0.3.0")):
        return f"cdiVersion {version} lacks what the file uses; it must be at least {needed}"
    return ""


def needed_version(document: Document) -> str:
    """Return the oldest version that has everything that the document uses."""
    every = [document.container_edits, *(device.container_edits for device in document.devices)]
    uses = {
        "1.1.0": any(edits.net_devices or _late_rdt(edits) for edits in every),
        "0.7.0": any(edits.intel_rdt is not None or edits.additional_gids for edits in every),
        "0.6.0": bool(document.annotations)
        or any(device.annotations for device in document.devices)
        or "." in document.kind.partition("/")[2],
        "0.5.0": any(device.name[:1].isdigit() for device in document.devices)
        or any(node.host_path for edits in every for node in edits.device_nodes),
        "0.4.0": any(mount.type for edits in every for mount in edits.mounts),
    }
    return next((version for version, used in uses.items() if used), "0.3.0")


def _late_rdt(edits: Edits) -> bool:
    return edits.intel_rdt is not None and bool(edits.intel_rdt.schemata or edits.intel_rdt.enable_monitoring)
