"""Start a node and leave it running, to play with: ``python -m lab.playground.up``; ``…down`` ends it.

Everything is below .demo/ in the project: registry, containerd, the daemon, their logs, and a pod of two containers.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc

from lab.lab import Lab
from lab.pod_configs import sh
from lab.pods import Pod, fetch_script, web_server
from lab.processes import reason_of

DEMO = Path(__file__).resolve().parents[2] / ".demo"
STATE = DEMO / "lab.json"
BORN = "born as"
"""The line of the web server's log with the random content of its file ``/born``, which it makes at its start."""


async def demo_pod(lab: Lab) -> Pod:
    """Run the demo's pod: a web server, and a container that calls it on localhost."""
    directory = lab.logs / "demo"
    pod = await Pod.run(
        lab.client,
        lab.busybox,
        name="demo",
        namespace="default",
        log_directory=directory,
        cgroup_parent=lab.cgroup_parent,
    )
    birth = f'cat /proc/sys/kernel/random/uuid > /born && echo "{BORN} $(cat /born)"'
    *shell, serve = web_server("'hello from the neighbour'")
    await pod.start("web", command=[*shell, f"{birth} && {serve}"])
    ask = fetch_script("127.0.0.1")
    await pod.start("asker", command=sh(f'i=0; while :; do i=$((i+1)); echo "$i: $({ask})"; sleep 0.5; done'))
    return pod


def state_of(lab: Lab) -> dict[str, object]:
    """Return what ``down`` needs to know."""
    return {
        "bridge": lab.bridge.daemon.pid,
        "containerd": lab.containerd.daemon.pid,
        "registry": lab.images.process.pid,
        "network_bridge": lab.network.bridge,
        "network_prefix": lab.network.prefix,
    }


async def up() -> None:
    """Start the node and print how to use it."""
    if STATE.exists():
        raise SystemExit(f"{STATE} exists: a node is up already, or `make down` has to clean up first")
    shutil.rmtree(DEMO, ignore_errors=True)
    lab = Lab("bridge", directory=DEMO, keep=True)
    await lab.__aenter__()
    STATE.write_text(json.dumps(state_of(lab), indent=2))
    await demo_pod(lab)
    await lab.client.close()
    endpoint = lab.endpoint
    tool = f"crictl --runtime-endpoint {endpoint}" if shutil.which("crictl") else f"{sys.executable} -m lab.cri"
    sys.stdout.write(
        f"""
The node is up.
  endpoint     {endpoint}
  daemon       pid {lab.bridge.daemon.pid}, log {lab.bridge.daemon.log}
  containerd   pid {lab.containerd.daemon.pid}, socket {lab.containerd.address}
  registry     {lab.images.address}

Try:
  {tool} pods
  {tool} ps
  {tool} logs asker
  {tool} exec web ps
  kill -9 {lab.bridge.daemon.pid}; {" ".join(lab.bridge.daemon.command)} &
  ctr -a {lab.containerd.address} -n k8s.io tasks list

`make down` ends it.
"""
    )


def main() -> None:
    """Start the node, if this is root."""
    if os.geteuid() != 0:
        raise SystemExit("run this as root: containers, mounts and network namespaces need it")
    try:
        asyncio.run(up())
    except (OSError, RuntimeError, grpc.RpcError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"the node is not up: {reason_of(error)}") from None


if __name__ == "__main__":
    main()
