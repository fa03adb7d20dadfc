"""Find the containers of the comparison on a side, which may have pods of others beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.pod_configs import NAMESPACE

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node


async def pods_of(node: Node) -> set[str]:
    """Return the ids of the comparison's pods. Raises :class:`CallError`."""
    answer = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
    return {each.id for each in answer.items if each.metadata.namespace == NAMESPACE}


async def containers_of(node: Node, pods: set[str] | None = None) -> list[cri.Container]:
    """Return the containers of the comparison's pods, in any state; ``pods`` are their ids if they are known.

    Raises :class:`CallError`.
    """
    ours = await pods_of(node) if pods is None else pods
    answer = await node.client.ask("ListContainers", cri.ListContainersRequest(), cri.ListContainersResponse)
    return [each for each in answer.containers if each.pod_sandbox_id in ours]
