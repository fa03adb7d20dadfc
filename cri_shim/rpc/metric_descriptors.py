"""ListMetricDescriptors: list the names, meanings and labels of the metrics that ListPodSandboxMetrics returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.stats.metric_table import descriptors

if TYPE_CHECKING:
    from cri_shim.service import Service


async def list_metric_descriptors(
    _service: Service, _request: cri.ListMetricDescriptorsRequest
) -> cri.ListMetricDescriptorsResponse:
    """Return all descriptors, which are the same on every node, although a node may lack the values of some."""
    return cri.ListMetricDescriptorsResponse(descriptors=descriptors())
