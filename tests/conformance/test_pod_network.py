"""Addresses, ports and network namespaces of pods."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import sys

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.patience import patient
from lab.pods import fetch, fetch_script, web_server
from lab.registry import free_port

RECEIVE = """
import socket
port = socket.socket(type=socket.SOCK_DGRAM)
port.bind(("", 5000))
port.settimeout(10)
print("ready", flush=True)
print(port.recv(100).decode())
"""


async def test_a_pod_answers_on_its_address(node):
    """A server in a container is reached from the node by the pod's address."""
    pod = await node.run()
    await pod.start(command=web_server("here"))
    ip = await pod.ip()
    assert not ipaddress.ip_address(ip).is_loopback
    assert await fetch(ip, 8080) == "here"


async def test_two_pods_have_two_addresses_and_reach_each_other(node):
    """Pods do not share an address, and one reaches the other."""
    one, two = await asyncio.gather(node.run(), node.run())
    assert await one.ip() != await two.ip()
    await one.start(command=web_server("one"))
    assert await fetch(await one.ip(), 8080) == "one"
    assert await two.output(fetch_script(await one.ip())) == "one"


async def test_containers_of_a_pod_share_localhost(node):
    """One container reaches another of the same pod on localhost."""
    pod = await node.run()
    await pod.start(command=web_server("neighbour"))
    assert await fetch(await pod.ip(), 8080) == "neighbour"
    assert await pod.output(fetch_script("127.0.0.1")) == "neighbour"


@pytest.mark.proves("PodSandboxConfig.port_mappings", "PortMapping.container_port", "PortMapping.host_port")
async def test_a_host_port_forwards(node):
    """A host port of the node leads to the container's port, and does so no more after the pod is gone."""
    port = free_port()
    mapping = cri.PortMapping(protocol=cri.TCP, container_port=8080, host_port=port)
    pod = await node.run(port_mappings=[mapping])
    await pod.start(command=web_server("forwarded"))
    assert await fetch("127.0.0.1", port) == "forwarded"
    await pod.stop()
    with pytest.raises(OSError):
        await fetch("127.0.0.1", port, seconds=0.2)


@pytest.mark.proves("PortMapping.host_ip")
async def test_a_host_port_may_be_bound_to_one_address(node):
    """With host_ip the port answers on that address of the node and on no other."""
    port = free_port()
    mapping = cri.PortMapping(protocol=cri.TCP, container_port=8080, host_port=port, host_ip="127.0.0.2")
    pod = await node.run(port_mappings=[mapping])
    await pod.start(command=web_server("bound"))
    assert await fetch("127.0.0.2", port) == "bound"
    with pytest.raises(OSError):
        await fetch("127.0.0.3", port, seconds=0.2)


@pytest.mark.proves("PortMapping.protocol")
async def test_a_udp_host_port_forwards(node, client):
    """A UDP mapping forwards datagrams."""
    port = free_port()
    mapping = cri.PortMapping(protocol=cri.UDP, container_port=5000, host_port=port)
    pod = await node.run(port_mappings=[mapping])
    info = json.loads((await client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"])
    (netns,) = [one["path"] for one in info["runtimeSpec"]["linux"]["namespaces"] if one["type"] == "network"]
    # The image has no program that receives datagrams, so one of the node's runs in the pod's network.
    receiver = await asyncio.create_subprocess_exec(
        *("nsenter", f"--net={netns}", sys.executable, "-c", RECEIVE),
        stdout=asyncio.subprocess.PIPE,
    )
    assert receiver.stdout is not None
    assert await asyncio.wait_for(receiver.stdout.readline(), patient(10)) == b"ready\n"
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"by datagram", ("127.0.0.1", port))
        assert await asyncio.wait_for(receiver.stdout.readline(), patient(10)) == b"by datagram\n"
    assert await receiver.wait() == 0


async def test_a_mapping_without_host_port_is_no_mapping(node):
    """A container port without a host port is only information, and the pod runs."""
    pod = await node.run(port_mappings=[cri.PortMapping(container_port=80)])
    assert await pod.ip()


@pytest.mark.proves("NamespaceOption.network")
async def test_a_host_network_pod_is_on_the_nodes_network(node):
    """A pod with network NODE has no address of its own and its containers see the node's interfaces."""
    pod = await node.run(network=cri.NODE)
    assert not (await pod.status()).network.ip
    seen = await pod.output("readlink /proc/self/ns/net; ls /sys/class/net", network=cri.NODE)
    assert seen.splitlines()[0] == os.readlink("/proc/self/ns/net")
    assert "eth0" in seen.split() or "lo" in seen.split()
    assert (await pod.status()).linux.namespaces.options.network == cri.NODE


async def test_a_pod_has_loopback_and_eth0(node):
    """In a pod the loopback interface is up and the address is on eth0."""
    pod = await node.run()
    shown = await pod.output("ip -o addr show")
    assert "127.0.0.1/8" in shown
    line = next(line for line in shown.splitlines() if " eth0 " in line and " inet " in line)
    assert f" {await pod.ip()}/" in line


async def test_many_pods_at_once_get_many_addresses(node):
    """Eight pods started together all run and have eight addresses."""
    pods = await asyncio.gather(*(node.run() for _ in range(8)))
    assert len({await pod.ip() for pod in pods}) == 8
    await asyncio.gather(*(pod.stop() for pod in pods))
