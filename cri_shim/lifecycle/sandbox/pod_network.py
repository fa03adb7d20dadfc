"""A pod's network: the sandbox as CNI sees it, its set-up and its tear-down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.network import NetworkError, PodDns, PodNetwork, PortMapping
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from cri_shim.concurrency.rollback import Rollback
    from cri_shim.kernel import Kernel
    from cri_shim.network import Network
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

log = structlog.get_logger(__name__)


def pod_network(sandbox: Sandbox) -> PodNetwork:
    """Return what CNI plugins learn about ``sandbox``."""
    config = sandbox.config
    return PodNetwork(
        sandbox_id=sandbox.id,
        name=config.metadata.name,
        namespace=config.metadata.namespace,
        uid=config.metadata.uid,
        netns_path=sandbox.netns_path,
        port_mappings=tuple(
            PortMapping(_protocol(mapping.protocol), mapping.container_port, mapping.host_port, mapping.host_ip)
            for mapping in config.port_mappings
            if mapping.host_port > 0
        ),
        annotations=dict(config.annotations),
        dns=_dns(config),
        cgroup_parent=config.linux.cgroup_parent,
    )


def _protocol(number: cri.Protocol.ValueType) -> str:
    """Return the name of a protocol; its number if only a newer CRI or another daemon has a name for it."""
    return cri.Protocol.Name(number).lower() if number in cri.Protocol.values() else str(number)


def _dns(config: cri.PodSandboxConfig) -> PodDns | None:
    if not config.HasField("dns_config"):
        return None
    dns = config.dns_config
    return PodDns(tuple(dns.servers), tuple(dns.searches), tuple(dns.options))


async def set_up_network(network: Network, sandbox: Sandbox, undo: Rollback) -> Sandbox:
    """Run CNI ADD; return the pod with its addresses and the result, which are not in its record yet.

    A pod on the node's network gets neither. Raises :class:`~cri_shim.network.NetworkError`.
    """
    if sandbox.host_network:
        return sandbox
    pod = pod_network(sandbox)

    async def tear_down() -> None:
        try:
            await network.teardown(pod, None)
        except NetworkError as error:
            # Try once more, because many starts that fail at once get into each other's way (iptables).
            log.warning("network.undo_repeated", sandbox_id=sandbox.id, error=str(error))
            await network.teardown(pod, None)

    # Pushed before the call, because a plugin that fails may have taken an address already.
    undo.push("tear down the pod network", tear_down)
    with stage("cni.setup_pod_network"):
        result = await network.setup(pod)
    return sandbox.replace(ips=result.ips, cni_result=result.stored)


async def detach_orphaned(network: Network, sandbox_id: str, netns_path: str) -> None:
    """Run CNI DEL for a pod of which only the id and the namespace are known.

    The CNI cache has, under the pod's id, the network that it was attached to. Raises
    :class:`~cri_shim.network.NetworkError`.
    """
    await network.teardown(PodNetwork(sandbox_id, name="", namespace="", uid="", netns_path=netns_path), None)


async def tear_down_network(kernel: Kernel, sandboxes: Index[Sandbox], network: Network, sandbox: Sandbox) -> None:
    """Run CNI DEL, then remove the network namespace; this is done once, and again only after a failure.

    DEL is called even when the namespace is gone (after a reboot), because the address is still reserved on disk
    (containerd cri issue 948). Raises :class:`~cri_shim.network.NetworkError` so that the kubelet tries again.
    """
    if sandbox.network_down or not sandbox.netns_path:
        return
    with stage("cni.teardown_pod_network"):
        await network.teardown(pod_network(sandbox), sandbox.cni_result)
    await run(MOUNT, kernel.remove_network_namespace, sandbox.netns_path)
    sandboxes.update(sandbox.id, lambda current: current.replace(network_down=True))
