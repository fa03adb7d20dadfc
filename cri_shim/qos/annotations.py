"""Which class a container asks for.

An annotation of the container itself wins over the pod's for this container, and that over the pod's for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def class_asked(kind: Literal["blockio", "rdt"], config: cri.ContainerConfig, pod: cri.PodSandboxConfig) -> str:
    """The name of the class; empty where none is asked for."""
    own = f"io.kubernetes.cri.{kind}-class"
    if own in config.annotations:
        return config.annotations[own]
    prefix = f"{kind}.resources.beta.kubernetes.io/"
    for key in (f"{prefix}container.{config.metadata.name}", f"{prefix}pod"):
        if key in pod.annotations:
            return pod.annotations[key]
    return ""
