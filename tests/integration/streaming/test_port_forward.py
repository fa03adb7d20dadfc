"""Port-forward over SPDY: into the pod's network, many connections at once, and what cannot be reached."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import TYPE_CHECKING

import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import sh
from lab.pods import Pod, web_server
from tests.integration.streaming.peer import digest_of_feed
from tests.integration.streaming.test_exec_spdy import MANY

if TYPE_CHECKING:
    from lab.lab import Lab
    from tests.integration.streaming.peer import SpdyPeer

GET = "GET / HTTP/1.0\r\n\r\n"
FORWARD = "portforward.k8s.io"


async def forward_url(pod: Pod, *ports: int) -> str:
    """A URL for a port-forward."""
    return str((await pod.client.PortForward(pod_sandbox_id=pod.id, port=ports)).url)


@pytest_asyncio.fixture(loop_scope="session")
async def web(pod: Pod) -> int:
    """A web server in the pod, on its loopback only: nothing but the pod's own namespace reaches it."""
    await pod.start(
        command=sh("mkdir -p /www && echo served > /www/index.html && exec httpd -f -p 127.0.0.1:8099 -h /www")
    )
    return 8099


async def test_a_server_on_the_pods_loopback(spdy: SpdyPeer, pod: Pod, web: int) -> None:
    """The connection is made inside the pod's network namespace, again and again on one session."""
    await asyncio.sleep(0.5)
    connections = [{"port": web, "send": GET} for _ in range(20)]
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=connections)
    assert result["protocol"] == FORWARD
    for index in range(20):
        assert result["streams"][f"data{index}"]["text"].endswith("served\n")
        assert result["streams"][f"error{index}"]["bytes"] == 0


async def test_a_port_without_a_listener(spdy: SpdyPeer, pod: Pod) -> None:
    """The error stream reports it after both IPv4 and IPv6 were tried; other connections continue."""
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=[{"port": 9}])
    text = result["streams"]["error0"]["text"]
    assert "port 9" in text and "127.0.0.1" in text and "::1" in text


async def test_a_server_on_ipv6_only(spdy: SpdyPeer, pod: Pod) -> None:
    """localhost is IPv6 as well, after IPv4."""
    page = "mkdir -p /www && echo six > /www/index.html"
    await pod.start(command=sh(f"{page} && exec httpd -f -p [::1]:8098 -h /www"))
    await asyncio.sleep(0.5)
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=[{"port": 8098, "send": GET}])
    assert result["streams"]["data0"]["text"].endswith("six\n")


async def test_long_streams_both_ways(spdy: SpdyPeer, pod: Pod) -> None:
    """An echo gives every byte back."""
    await pod.start(command=sh("exec nc -ll -p 8097 -e cat"))
    await asyncio.sleep(0.5)
    size = MANY
    connections = [{"port": 8097, "sendBytes": size}]
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=connections, seconds=170)
    assert result["streams"]["data0"]["bytes"] == size
    assert result["streams"]["data0"]["sha256"] == digest_of_feed(size)


async def test_a_pod_on_the_nodes_network(spdy: SpdyPeer, lab: Lab) -> None:
    """A host-network pod's localhost is the node's."""
    server = socket.create_server(("127.0.0.1", 0))
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, network=cri.NODE)

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"node\n")

    serving = asyncio.create_task(asyncio.to_thread(serve))
    port = server.getsockname()[1]
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=[{"port": port}])
    assert result["streams"]["data0"]["text"] == "node\n"
    await serving
    server.close()
    await pod.remove()
    assert hashlib.sha256(b"").hexdigest() == result["streams"]["error0"]["sha256"]


async def test_web_server_helper_is_reached(spdy: SpdyPeer, pod: Pod) -> None:
    """A server on all addresses, as most are."""
    await pod.start(command=web_server("all", 8096))
    await asyncio.sleep(0.5)
    result = await spdy.run(await forward_url(pod), protocol=FORWARD, connections=[{"port": 8096, "send": GET}])
    assert result["streams"]["data0"]["text"].endswith("all\n")
