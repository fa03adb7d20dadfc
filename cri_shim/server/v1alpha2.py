"""CRI v1alpha2, which kubelets up to 1.25 speak: the RPCs of v1 under another name.

Every message that both versions have is the same on the wire (a kubelet ignores the fields that came later), so a
request is parsed as v1 and answered with v1's bytes. The generated code of v1alpha2 is not loaded, because it would
cost memory and add nothing.
"""

from __future__ import annotations

from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.rpc.version import version_v1alpha2

_CAME_LATER = frozenset(
    {
        "CheckpointContainer",
        "GetContainerEvents",
        "ListMetricDescriptors",
        "ListPodSandboxMetrics",
        "RuntimeConfig",
        "UpdatePodSandboxResources",
    }
)

V1ALPHA2: dict[str, Rpc] = {
    name: rpc for name, rpc in RPCS.items() if name not in _CAME_LATER and not name.startswith("Stream")
} | {"Version": Rpc(version_v1alpha2, Kind.READ)}


def v1alpha2_name(v1_service: str) -> str:
    """Return the v1alpha2 name of a service: ``runtime.v1.RuntimeService`` is ``runtime.v1alpha2.RuntimeService``."""
    return v1_service.replace("runtime.v1.", "runtime.v1alpha2.", 1)
