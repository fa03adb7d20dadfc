"""The runtime spec of a pod that has no process of its own: what is left of a sandbox's.

No runtime ever runs it. It is kept in the containerd record because it says of the pod what tools look for there, in
their words: annotations, host name, sysctls, the cgroup, and which namespaces its containers share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.oci.image_config import ImageConfig

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.namespaces import PodNamespaces

NO_IMAGE = ImageConfig(entrypoint=("none",))
"""Stands for the image that such a pod does not have while its spec is built; nothing of it stays."""

_OF_A_PROCESS = ("process", "root", "mounts")
_OF_A_CONFINED_PROCESS = ("resources", "seccomp", "maskedPaths", "readonlyPaths", "rootfsPropagation", "mountLabel")


def pinned_spec(spec: Spec, namespaces: PodNamespaces) -> Spec:
    """Give ``spec``, that of a sandbox, without what concerns a process, and with the files of its ``namespaces``."""
    kept = {key: value for key, value in spec.items() if key not in _OF_A_PROCESS}
    kept["linux"] = {key: value for key, value in spec["linux"].items() if key not in _OF_A_CONFINED_PROCESS}
    places = (("network", namespaces.network), ("ipc", namespaces.ipc), ("uts", namespaces.uts))
    kept["linux"]["namespaces"] = [{"type": kind, "path": path} for kind, path in places if path]
    return kept
