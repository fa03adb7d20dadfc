"""Version: name the runtime and its versions. Clients call it first, and get an answer even before pods have been read.

It is the only RPC whose answer depends on the API version in which the client asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cri_shim
from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from cri_shim.service import Service

_KUBELET_API_VERSION = "0.1.0"
"""The value that every runtime returns: the kubelet's own version of this field."""


async def version(_service: Service, _request: cri.VersionRequest) -> cri.VersionResponse:
    """Return name and versions; no field may be empty, because the kubelet refuses a runtime that leaves one out."""
    return _version("v1")


async def version_v1alpha2(_service: Service, _request: cri.VersionRequest) -> cri.VersionResponse:
    """Return the same in v1alpha2."""
    return _version("v1alpha2")


def _version(api: str) -> cri.VersionResponse:
    return cri.VersionResponse(
        version=_KUBELET_API_VERSION,
        runtime_name="cri-shim",
        runtime_version=cri_shim.__version__,
        runtime_api_version=api,
    )
