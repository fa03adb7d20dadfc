"""Pod networks: the Container Network Interface, from the runtime's side."""

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
