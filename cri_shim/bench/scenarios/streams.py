"""Transfer bytes out of a container by an exec session and a port-forward, from the request to the last byte.

The client of the stream is a process of its own (:mod:`cri_shim.bench.endpoint.stream_peer`), which after the first
byte only counts, so that it costs each side the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.meanwhile import METRIC, meanwhile
from cri_shim.bench.scenarios.scenario import WrongWorkError
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node

_PORT = 8097
_LONGEST_REASON = 500
# The instructions of the peer, apart from the address and the size.
_EXEC = {"protocol": "v4.channel.k8s.io", "streams": [{"streamtype": "error"}, {"streamtype": "stdout"}]}
_FORWARD = {
    "protocol": "portforward.k8s.io",
    "streams": [{"streamtype": kind, "port": str(_PORT), "requestid": "0"} for kind in ("error", "data")],
}


class Streams:
    """Both kinds, one after the other."""

    title = "Streaming"
    metrics = (
        Metric("exec first byte", "exec: until the first byte"),
        Metric("exec all bytes", "exec: first to last byte", main=True),
        Metric("port-forward first byte", "port-forward: until the first byte"),
        Metric("port-forward all bytes", "port-forward: first to last byte", main=True),
        Metric("Exec", "Exec (the RPC that gives the URL)"),
        Metric("PortForward", "PortForward (the RPC that gives the URL)"),
        METRIC,
    )
    rounds = 6

    def __init__(self, mebibytes: int) -> None:
        """Choose how many MiB to transfer."""
        self.mebibytes = mebibytes
        self.seconds = 1.0 + mebibytes / 200
        self._pods: dict[str, Pod] = {}
        self.about = (
            f"An exec session runs `cat` of {mebibytes} MiB of zeros, and a port-forward reads as much from a server "
            "in the pod, both over SPDY. The time to the first byte counts from the connection, the rest from the "
            "first byte. ListPodSandbox is asked for every 10 ms meanwhile."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """Return how many MiB are transferred."""
        return {"mebibytes": self.mebibytes}

    async def prepare(self, node: Node) -> None:
        """Run a container that has the file and serves it."""
        make = f"dd if=/dev/zero of=/big bs=1M seek={self.mebibytes} count=0 2>/dev/null"
        script = f"{make}; exec nc -ll -p {_PORT} -e cat /big"
        pod = self._pods[node.name] = Pod.of(node, next_name("streamed"), ("sh", "-c", script))
        await pod.start(Samples())
        listening = f"until grep -q ':{_PORT:04X} ' /proc/net/tcp*; do sleep 0.05; done"
        if (await pod.exec("sh", "-c", listening)).exit_code != 0:
            raise WrongWorkError(f"nothing listens in the pod on {node.name}")

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Run an exec session, then a port-forward."""
        pod = self._pods[node.name]
        run = cri.ExecRequest(container_id=pod.container_id, cmd=["cat", "/big"], stdout=True).SerializeToString()
        url = cri.ExecResponse.FromString(await node.call(samples, "Exec", run)).url
        await self._receive(node, samples, "exec", {"url": url, **_EXEC})
        run = cri.PortForwardRequest(pod_sandbox_id=pod.id, port=[_PORT]).SerializeToString()
        url = cri.PortForwardResponse.FromString(await node.call(samples, "PortForward", run)).url
        await self._receive(node, samples, "port-forward", {"url": url, **_FORWARD})

    async def _receive(self, node: Node, samples: Samples, what: str, instructions: dict[str, Any]) -> None:
        wanted = json.dumps({**instructions, "size": self.mebibytes << 20})
        peer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cri_shim.bench.endpoint.stream_peer", wanted),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with meanwhile(node, samples):
            out, said = await peer.communicate()
        if peer.returncode:
            reason = escaped(said.decode(errors="replace").strip().rpartition("\n")[2], _LONGEST_REASON)
            raise WrongWorkError(f"{what} through {node.name} did not give {self.mebibytes} MiB: {reason}")
        result = json.loads(out)
        samples.add(f"{what} first byte", result["first_byte_ms"])
        samples.add(f"{what} all bytes", result["rest_ms"])

    async def clean(self, node: Node) -> None:
        """Remove the pod."""
        if node.name in self._pods:
            await self._pods.pop(node.name).end(Samples())
