"""Check whether a side's lists of statistics have every container and pod, because an empty list is quickly made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.own_containers import containers_of, pods_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from cri_shim.bench.endpoint.node import Node

COMPLETE = "of all"


async def coverage_of_statistics(node: Node) -> dict[str, str]:
    """Return by RPC :data:`COMPLETE`, or how many of the running pods are in the list, or why it is not measured."""
    ours = await pods_of(node)
    theirs = {each.id for each in await containers_of(node, ours)}
    return {
        rpc: node.left_out.get(rpc) or _compare(await _list_ids(node, rpc), wanted)
        for rpc, wanted in (("ListContainerStats", theirs), ("ListPodSandboxStats", ours))
    }


async def _list_ids(node: Node, rpc: str) -> set[str]:
    if rpc == "ListContainerStats":
        of_containers = await node.client.ask(rpc, cri.ListContainerStatsRequest(), cri.ListContainerStatsResponse)
        return {each.attributes.id for each in of_containers.stats}
    of_pods = await node.client.ask(rpc, cri.ListPodSandboxStatsRequest(), cri.ListPodSandboxStatsResponse)
    return {each.attributes.id for each in of_pods.stats}


def _compare(answered: set[str], wanted: Collection[str]) -> str:
    have = len(answered.intersection(wanted))
    return COMPLETE if have == len(wanted) else f"of {have} of {len(wanted)}"
