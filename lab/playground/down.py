"""End what ``python -m lab.playground.up`` has left running, and remove it without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab.bridge import program
from lab.containerd import PrivateContainerd, unmount_below
from lab.cri_client import CriClient
from lab.lab import Lab
from lab.playground.place import DEMO, Node, noted
from lab.playground.up import docker_engine
from lab.processes import LabError, command_lines, gone, kill_and_wait


def pids_of(*words: str) -> list[int]:
    """Return the processes whose arguments contain all the words, because a noted pid may belong to another by now.

    A path may also be given relative to the directory of the process, as in a command that was typed.
    """
    return [pid for pid, arguments in command_lines() if set(words) <= {*arguments, *_absolute(pid, arguments)}]


def _absolute(pid: int, arguments: list[str]) -> list[str]:
    try:
        directory = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:  # it has ended
        return []
    return [os.path.normpath(directory / argument) for argument in arguments]


def end(pids: list[int], seconds: float = 30) -> None:
    """Send SIGTERM, wait, and send SIGKILL to those that are left."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in pids:
        if not gone(pid):
            kill_and_wait(pid)


async def remove_pods(endpoint: str) -> None:
    """Remove every pod through a daemon, if it runs."""
    async with CriClient(endpoint, deadline=20) as client:
        for pod in (await client.ListPodSandbox()).items:
            await client.StopPodSandbox(pod_sandbox_id=pod.id)
            await client.RemovePodSandbox(pod_sandbox_id=pod.id)


def end_docker() -> None:
    """End Docker Engine with its containers, if it was started."""
    directory = DEMO / "docker"
    if not directory.exists():
        return
    engine = docker_engine(Lab("bridge", directory=DEMO))
    with contextlib.suppress(LabError, subprocess.TimeoutExpired):
        engine.remove_containers()
    end(pids_of(f"--data-root={directory / 'data'}"))
    unmount_below(directory)


def end_node(node: Node) -> None:
    """End the processes of a node, and remove its mounts, network and cgroups."""
    with contextlib.suppress(Exception):
        asyncio.run(remove_pods(node.endpoint))
    end(pids_of(*program()[-1:], "serve", str(node.path / "bridge" / "cri-shim.toml")))
    end(pids_of("--config", str(node.path / "containerd" / "config.toml")))
    PrivateContainerd(node.path / "containerd", cri_plugin=False).stop()
    unmount_below(node.path)
    if node.network is not None:
        node.network.cleanup()
    Lab(node.kind, directory=node.path).remove_cgroups()


def down() -> None:
    """End and remove everything."""
    if not DEMO.exists():
        sys.stdout.write("no node is up\n")
        return
    end_docker()
    end(pids_of("lab.faults.slow_socket", str(DEMO / "slow.sock")))
    for node in reversed(noted().nodes):
        end_node(node)
    end(pids_of(str(DEMO / "registry" / "registry.yml")))
    shutil.rmtree(DEMO)
    sys.stdout.write("the node is down, and nothing is left\n")


if __name__ == "__main__":
    down()
