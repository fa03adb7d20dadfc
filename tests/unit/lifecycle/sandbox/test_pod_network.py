"""What CNI plugins are told of a pod, and the ends of its network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.rollback import Rollback
from cri_shim.lifecycle.sandbox.pod_network import detach_orphaned, pod_network, set_up_network, tear_down_network
from cri_shim.network import NetworkError, PodDns, PortMapping
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from lab.pod_configs import NODE, pod_config

if TYPE_CHECKING:
    from tests.fakes.kernel import RecordingKernel

NETNS = "/run/netns/cni-1"
TCP = cri.Protocol.Value("TCP")


class Network:
    """Notes what it is asked for; ``failures`` are raised by the next teardowns."""

    def __init__(self, *failures: str) -> None:
        self.steps: list[tuple[str, str]] = []
        self._failures = list(failures)

    async def setup(self, pod: Any) -> Any:
        """Attach a pod."""
        self.steps.append(("ADD", pod.sandbox_id))
        return SimpleNamespace(ips=("10.0.0.2",), stored={"cniVersion": "1.0.0"})

    async def teardown(self, pod: Any, _result: object) -> None:
        """Detach a pod."""
        self.steps.append(("DEL", pod.sandbox_id))
        if self._failures:
            raise NetworkError(self._failures.pop(0))


def sandbox(**fields: Any) -> Sandbox:
    """A pod with a network namespace."""
    return Sandbox("s", "s", pod_config(**fields), 1, netns_path=NETNS)


def test_what_plugins_are_told() -> None:
    """Ports of the node, by names of protocols where there are names; DNS only where the request has some."""
    ports = [
        cri.PortMapping(protocol=TCP, container_port=80, host_port=8080, host_ip="127.0.0.1"),
        cri.PortMapping(protocol=TCP, container_port=81),
        cri.PortMapping(protocol=9, container_port=82, host_port=8082),  # type: ignore[arg-type]
    ]
    pod = pod_network(sandbox(port_mappings=ports, dns_config=cri.DNSConfig(servers=["10.0.0.1"])))
    assert pod.port_mappings == (PortMapping("tcp", 80, 8080, "127.0.0.1"), PortMapping("9", 82, 8082, ""))
    assert pod.dns == PodDns(("10.0.0.1",), (), ())
    assert pod.netns_path == NETNS
    assert pod_network(sandbox()).dns is None


async def test_the_nodes_network() -> None:
    """No plugin is asked, and there is nothing to undo."""
    network: Any = Network()
    pod = sandbox(network=NODE)
    async with Rollback("pod", on_incomplete=pytest.fail) as undo:
        assert await set_up_network(network, pod, undo) is pod
    assert not network.steps


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_an_undo(failures: int) -> None:
    """It is tried twice, because starts that fail at once get into each other's way."""
    network: Any = Network(*["iptables is busy"] * failures)
    why: list[str] = []
    with pytest.raises(RuntimeError, match="later step"):
        async with Rollback("pod", on_incomplete=why.append) as undo:
            connected = await set_up_network(network, sandbox(), undo)
            assert connected.ips == ("10.0.0.2",)
            assert connected.cni_result
            raise RuntimeError("later step")
    assert network.steps == [("ADD", "s"), *[("DEL", "s")] * min(failures + 1, 2)]
    assert bool(why) is (failures == 2)


async def test_a_pod_of_which_nothing_is_known() -> None:
    """Its id is enough: plugins' cache has the rest."""
    network: Any = Network()
    await detach_orphaned(network, "s", NETNS)
    assert network.steps == [("DEL", "s")]


async def test_the_end(kernel: RecordingKernel) -> None:
    """DEL comes before the namespace goes, is done again only if it failed, and a pod without a file has none."""
    sandboxes: Index[Sandbox] = Index("sandbox")
    sandboxes.put(sandbox())
    network: Any = Network("no")
    with pytest.raises(NetworkError):
        await tear_down_network(kernel, sandboxes, network, sandboxes.get("s"))
    assert "remove_network_namespace" not in kernel.names()
    for _ in range(2):
        await tear_down_network(kernel, sandboxes, network, sandboxes.get("s"))
    assert len(network.steps) == 2
    assert kernel.names() == ["remove_network_namespace"]
    await tear_down_network(kernel, sandboxes, network, sandbox().replace(netns_path=""))
    assert len(network.steps) == 2
