"""Attach pod sandboxes to their networks and detach them, by the Container Network Interface (CNI).

This room runs the CNI plugins and keeps libcni's cache of attachments. Of the project it may import only the floors
below it (``kernel``, ``errors`` and the like). It never talks to containerd and knows nothing of RPCs: ``Network`` is
its entry, and callers hand it a ``PodNetwork``.
"""

from __future__ import annotations

from cri_shim.network.config import CniConfig
from cri_shim.network.errors import CniError, NetworkError, NetworkNotReadyError
from cri_shim.network.exec import Helper
from cri_shim.network.network import Network, NetworkStatus
from cri_shim.network.pod import PodDns, PodNetwork, PortMapping
from cri_shim.network.result import CniResult

__all__ = [
    "CniConfig",
    "CniError",
    "CniResult",
    "Helper",
    "Network",
    "NetworkError",
    "NetworkNotReadyError",
    "NetworkStatus",
    "PodDns",
    "PodNetwork",
    "PortMapping",
]
