"""Start a node and leave it running, to play with: ``python -m lab.playground.up``; ``…down`` ends it.

Everything is below .demo/ in the project: registry, containerd, the daemon, their logs, and a pod of two containers.
``--side`` starts other architectures beside it, and ``--containerd`` chooses the line of containerd for all.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToJson

from lab import cgroup_driver
from lab.debian import containerd_versions
from lab.debian.packages import NotAvailableError
from lab.docker import DockerEngine
from lab.lab import Lab
from lab.playground.calibrated import wait_calibrated
from lab.playground.environment import write_environment
from lab.playground.place import DEMO, SIDES, STATE, Node, Noted
from lab.playground.tour import tour
from lab.pod_configs import sh
from lab.pods import Pod, fetch_script, web_server
from lab.processes import reason_of
from lab.registry import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from google.protobuf.message import Message

    from lab.lab import Kind
    from lab.playground.place import SideName

BORN = "born as"
"""The line of the web server's log with the random content of its file ``/born``, which it makes at its start."""
KINDS: dict[SideName, Kind] = {"plugin": "plugin", "pinned": "bridge"}
SETTINGS: dict[SideName, dict[str, Any]] = {
    # What the daemon does anyway: a comparison of the two then starts the same pods.
    "plugin": {"enable_unprivileged_ports": True, "enable_unprivileged_icmp": True},
    "pinned": {"sandbox": {"infra": "pinned"}},
}


async def demo_pod(lab: Lab) -> Pod:
    """Run the demo's pod: a web server, and a container that calls it on localhost."""
    directory = lab.logs / "demo"
    labels = {"io.kubernetes.pod.name": "demo", "io.kubernetes.pod.namespace": "default"}  # as a kubelet's
    pod = await Pod.run(
        lab.client,
        lab.busybox,
        name="demo",
        namespace="default",
        log_directory=directory,
        cgroup_parent=lab.cgroup_parent,
        labels=labels,
    )
    birth = f'cat /proc/sys/kernel/random/uuid > /born && echo "{BORN} $(cat /born)"'
    *shell, serve = web_server("'hello from the neighbour'")
    await pod.start("web", command=[*shell, f"{birth} && {serve}"], labels=labels)
    ask = fetch_script("127.0.0.1")
    loop = f'i=0; while :; do i=$((i+1)); echo "$i: $({ask})"; sleep 0.5; done'
    await pod.start("asker", command=sh(loop), labels=labels)
    return pod


async def up(sides: Sequence[SideName], line: str) -> None:
    """Start the node and what is wanted beside it, and print how to use it."""
    if STATE.exists():
        raise SystemExit(f"{STATE} exists: a node is up already, or `make down` has to clean up first")
    if line:
        os.environ["CONTAINERD_BINARIES"] = str(containerd_versions.binaries(line))
    shutil.rmtree(DEMO, ignore_errors=True)
    # A port of its own, and not one for each start of the daemon: a page that is open in a browser goes on.
    address = f"127.0.0.1:{free_port()}"
    # In the directories of containerd's own plugin, so that the plugin can take over the pods, and give them back.
    root, state = (str(DEMO / "containerd" / name / "io.containerd.grpc.v1.cri") for name in ("root", "state"))
    settings = {"http": {"address": address}, "root": root, "state": state}
    lab = await _started(Lab("bridge", directory=DEMO, keep=True, settings=settings), page=f"http://{address}")
    nodes = [Node.of(lab)]
    Noted(tuple(nodes), line).write()
    others: dict[str, Lab] = {}
    for name in dict.fromkeys(side for side in sides if side != "docker"):
        beside = Lab(KINDS[name], DEMO / name, SETTINGS[name], keep=True, registry=lab.images)
        others[name] = await _started(beside)
        nodes.append(Node.of(others[name]))
        Noted(tuple(nodes), line).write()
    engine = await asyncio.to_thread(_docker, lab) if "docker" in sides else None
    write_environment(lab, others, engine)
    sys.stdout.write(tour(lab, f"http://{address}/", others, engine))


async def _started(lab: Lab, page: str = "") -> Lab:
    """Start a node that nothing stops when this program ends, with the pod of the demo.

    With ``page``, the pod waits until its bill can have all parts.
    """
    await lab.__aenter__()
    if page:
        await asyncio.to_thread(wait_calibrated, page)
    pod = await demo_pod(lab)
    _write_json(lab.directory / "pod.json", pod.config)
    for container in pod.containers:
        _write_json(lab.directory / f"{container.config.metadata.name}.json", container.config)
    await lab.client.close()
    return lab


def _write_json(path: Path, message: Message) -> None:
    """Write a configuration in the form that crictl reads."""
    text = MessageToJson(message, preserving_proto_field_name=True, use_integers_for_enums=True)
    path.write_text(text, encoding="utf-8")


def _docker(lab: Lab) -> DockerEngine:
    """Start Docker Engine on the node's containerd, with one container of the pods' image."""
    engine = docker_engine(lab)
    engine.start()
    engine.docker("pull", "--quiet", lab.busybox)
    engine.docker("run", "--detach", "--name", "demo", "--network", "none", lab.busybox, "sleep", "1000000")
    return engine


def docker_engine(lab: Lab) -> DockerEngine:
    """Return the playground's engine, which may be up or not."""
    return DockerEngine(
        DEMO / "docker", str(DEMO / "containerd" / "c.sock"), cgroup_driver.child(lab.cgroup_parent, "docker")
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the node, if this is root."""
    parser = argparse.ArgumentParser(prog="make up", description="Start a node to play with, and leave it running.")
    parser.add_argument(
        "--side", action="append", default=[], choices=SIDES, help="also start this beside it; may be given again"
    )
    lines = tuple(containerd_versions.LINES)
    parser.add_argument(
        "--containerd", default="", choices=lines, help="the line of containerd (default: the installed)"
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        raise SystemExit("run this as root: containers, mounts and network namespaces need it")
    try:
        asyncio.run(up(options.side, options.containerd))
    except NotAvailableError as error:
        raise SystemExit(f"the node is not up: {error}; `make down` removes what is there of it") from None
    except (OSError, RuntimeError, grpc.RpcError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"the node is not up: {reason_of(error)}") from None


if __name__ == "__main__":
    main()
