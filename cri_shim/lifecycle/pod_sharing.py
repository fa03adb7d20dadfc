"""What containers get from their pod: its hostname and its namespaces."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from cri_shim.oci.namespaces import PodNamespaces
from untrusted import encodable

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.state.sandboxes import Sandbox


def pod_hostname(config: cri.PodSandboxConfig) -> str:
    """Return the pod's hostname; the node's own if the request names none (a pod on the node's network)."""
    # The kernel accepts any bytes as a hostname.
    return config.hostname or encodable(socket.gethostname())


def namespaces_of(sandbox: Sandbox) -> PodNamespaces:
    """Return the files by which the containers of ``sandbox`` join its namespaces."""
    if sandbox.pinned is None:
        return PodNamespaces.of_process(sandbox.pid)
    return PodNamespaces(network=sandbox.netns_path, ipc=sandbox.pinned.ipc, uts=sandbox.pinned.uts)
