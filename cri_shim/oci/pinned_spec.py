"""Reduce a sandbox's runtime spec to that of a pod without a process of its own.

No runtime ever runs it. It is stored in the containerd record because tools look there for facts about the pod:
annotations, host name, sysctls, the cgroup, and the namespaces that its containers share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.oci.image_config import ImageConfig

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.namespaces import PodNamespaces

NO_IMAGE = ImageConfig(entrypoint=("none",))
"""Stands in for the image, which such a pod lacks, while its spec is built; nothing of it stays in the spec."""

_OF_A_PROCESS = ("process", "root", "mounts")
_OF_A_CONFINED_PROCESS = ("resources", "seccomp", "maskedPaths", "readonlyPaths", "rootfsPropagation", "mountLabel")


def pinned_spec(spec: Spec, namespaces: PodNamespaces) -> Spec:
    """Return a sandbox's ``spec`` without what concerns a process, and with the files of its ``namespaces``."""
    fields = {key: value for key, value in spec.items() if key not in _OF_A_PROCESS}
    fields["linux"] = {key: value for key, value in spec["linux"].items() if key not in _OF_A_CONFINED_PROCESS}
    places = (("network", namespaces.network), ("ipc", namespaces.ipc), ("uts", namespaces.uts))
    fields["linux"]["namespaces"] = [{"type": kind, "path": path} for kind, path in places if path]
    return fields
