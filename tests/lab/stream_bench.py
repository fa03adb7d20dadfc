"""How fast bytes come out of a container, through the daemon and through containerd's own plugin, in turns.

    python -m tests.lab.stream_bench [--mib 1024] [--rounds 3]

`exec cat` and a port-forward of so many MiB, and, while the bytes flow, how long ListPodSandbox takes. The client is a
process of its own that opens the streams and then only counts bytes, so that it costs both servers the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from cri_shim.streaming.spdy import Connection
from cri_shim.streaming.spdy.events import StreamAccepted
from tests.lab.lab import Lab
from tests.lab.pod_configs import sh
from tests.lab.pods import Container, Pod

PAUSE = 0.005
PORT = 8097


def receive(url: str, protocol: str, wanted: list[dict[str, str]], size: int) -> float:
    """Connect, open streams, count ``size`` bytes; seconds from the last stream's opening to the last byte."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = f"POST {where.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        connection.sendall(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise SystemExit(f"not upgraded: {answer!r}")
        codec = Connection(client=True)
        begun = time.perf_counter()
        for headers in wanted:
            codec.open_stream(headers)
            begun = time.perf_counter()
            connection.sendall(codec.data_to_send())
            if headers is not wanted[-1]:
                while not any(isinstance(e, StreamAccepted) for e in codec.receive_data(connection.recv(65536))):
                    pass
        buffer = bytearray(1 << 18)
        received = 0
        while received < size:
            count = connection.recv_into(buffer)
            if not count:
                raise SystemExit(f"ended after {received} of {size} bytes")
            received += count
        return time.perf_counter() - begun


async def quiet(lab: Lab, seconds: float = 1.0) -> float:
    """The 99th percentile of ListPodSandbox (ms) while nothing flows: what the machine itself adds."""
    times = []
    until = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < until:
        await lab.client.ListPodSandbox()
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(PAUSE)
    return statistics.quantiles(times, n=100)[98]


async def measured(lab: Lab, url: str, protocol: str, wanted: list[dict[str, str]], mib: int) -> tuple[float, float]:
    """MiB/s of one transfer, and the 99th percentile of ListPodSandbox (ms) meanwhile."""
    arguments = json.dumps([url, protocol, wanted, mib << 20])
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.lab.stream_bench", "--client", arguments, stdout=asyncio.subprocess.PIPE
    )
    ended = asyncio.create_task(client.communicate())
    times = []
    while not ended.done():
        begun = time.perf_counter()
        await lab.client.ListPodSandbox()
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.wait({ended}, timeout=PAUSE)
    out, _ = await ended
    if client.returncode:
        raise SystemExit(f"the client failed on {lab.kind}")
    return mib / float(out), statistics.quantiles(times, n=100)[98] if len(times) > 2 else max(times)


async def exec_cat(lab: Lab, container: Container, mib: int) -> tuple[float, float]:
    """`cat` of a file without blocks on the disk."""
    url = (await container.client.Exec(container_id=container.id, cmd=("cat", "/big"), stdout=True)).url
    wanted = [{"streamtype": "error"}, {"streamtype": "stdout"}]
    return await measured(lab, url, "v4.channel.k8s.io", wanted, mib)


async def forward(lab: Lab, pod: Pod, mib: int) -> tuple[float, float]:
    """The same file from a server in the pod."""
    url = (await pod.client.PortForward(pod_sandbox_id=pod.id, port=[PORT])).url
    wanted = [{"streamtype": kind, "port": str(PORT), "requestid": "0"} for kind in ("error", "data")]
    return await measured(lab, url, "portforward.k8s.io", wanted, mib)


async def main(mib: int, rounds: int) -> None:
    """Both labs side by side, in turns."""
    async with Lab("bridge") as bridge, Lab("plugin") as plugin:
        ready = {}
        for lab in (bridge, plugin):
            pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent)
            script = f"dd if=/dev/zero of=/big bs=1M seek={mib} count=0; exec nc -ll -p {PORT} -e cat /big"
            container = await pod.start(command=sh(script))
            ready[lab.kind] = (lab, pod, container)
        await asyncio.sleep(1)
        results: dict[str, list[float]] = {}
        for number in range(rounds):
            for kind in ("bridge", "plugin") if number % 2 else ("plugin", "bridge"):
                lab, pod, container = ready[kind]
                print(f"{'nothing':13} {kind:7} {'':13} ListPodSandbox p99 {await quiet(lab):6.2f} ms", flush=True)
                for what, (speed, p99) in (
                    ("exec", await exec_cat(lab, container, mib)),
                    ("port-forward", await forward(lab, pod, mib)),
                ):
                    results.setdefault(f"{what} {kind}", []).append(speed)
                    print(f"{what:13} {kind:7} {speed:7.0f} MiB/s   ListPodSandbox p99 {p99:6.2f} ms", flush=True)
        for what in ("exec", "port-forward"):
            ratio = statistics.median(results[f"{what} bridge"]) / statistics.median(results[f"{what} plugin"])
            print(f"{what:13} bridge/plugin {ratio:.2f} (medians of {rounds})")
        print(f"daemon's resident memory {bridge.bridge.rss_kib() >> 10} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=Path(__file__).name)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        print(receive(*json.loads(chosen.client)))
    else:
        asyncio.run(main(chosen.mib, chosen.rounds))
