"""Pods and containers of the state, as small as they can be."""

from __future__ import annotations

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.containers import Container, Status
from cri_shim.state.sandboxes import Sandbox

POD, APP = "a1" * 32, "b2" * 32


def a_pod(id_: str = POD, name: str = "web", namespace: str = "shop") -> Sandbox:
    """A pod of the state."""
    metadata = cri.PodSandboxMetadata(name=name, namespace=namespace, uid="u")
    return Sandbox(id_, f"{name}_{namespace}_u_0", cri.PodSandboxConfig(metadata=metadata), 1)


def a_container(id_: str = APP, pod: str = POD, name: str = "app") -> Container:
    """A container of the state."""
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name=name), image=cri.ImageSpec(image="busybox:1"))
    return Container(id_, name, pod, config, Status(), "sha256:1")
