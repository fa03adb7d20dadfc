"""Read from annotations which class a container requests.

An annotation of the container itself wins over the pod's annotation for this container, which wins over the pod's
annotation for all containers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def requested_class(kind: Literal["blockio", "rdt"], config: cri.ContainerConfig, pod: cri.PodSandboxConfig) -> str:
    """Return the name of the requested class; empty if none is requested."""
    own = f"io.kubernetes.cri.{kind}-class"
    if own in config.annotations:
        return config.annotations[own]
    prefix = f"{kind}.resources.beta.kubernetes.io/"
    for key in (f"{prefix}container.{config.metadata.name}", f"{prefix}pod"):
        if key in pod.annotations:
            return pod.annotations[key]
    return ""
