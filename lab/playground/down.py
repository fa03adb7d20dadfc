"""End what ``python -m lab.playground.up`` has left running, and remove it without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time

from lab.bridge import program
from lab.cni import PodNetwork
from lab.containerd import PrivateContainerd, unmount_below
from lab.cri_client import CriClient
from lab.lab import Lab
from lab.playground.up import DEMO, STATE
from lab.processes import command_lines, gone, kill_and_wait


def pids_of(*words: str) -> list[int]:
    """Return the processes whose arguments contain all the words, because a noted pid may belong to another by now."""
    return [pid for pid, arguments in command_lines() if all(word in arguments for word in words)]


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


async def remove_pods() -> None:
    """Remove every pod through the daemon, if it runs."""
    async with CriClient(f"unix://{DEMO / 'bridge' / 'cri-shim.sock'}", deadline=20) as client:
        for pod in (await client.ListPodSandbox()).items:
            await client.StopPodSandbox(pod_sandbox_id=pod.id)
            await client.RemovePodSandbox(pod_sandbox_id=pod.id)


def down() -> None:
    """End and remove everything."""
    if not DEMO.exists():
        sys.stdout.write("no node is up\n")
        return
    with contextlib.suppress(Exception):
        asyncio.run(remove_pods())
    end(pids_of(*program()[-1:], "serve", str(DEMO / "bridge" / "cri-shim.toml")))
    end(pids_of("--config", str(DEMO / "containerd" / "config.toml")))
    end(pids_of(str(DEMO / "registry" / "registry.yml")))
    PrivateContainerd(DEMO / "containerd", cri_plugin=False).stop()
    unmount_below(DEMO)
    if STATE.exists():
        noted = json.loads(STATE.read_text())
        PodNetwork(DEMO / "cni", noted["network_bridge"], noted["network_prefix"]).cleanup()
    Lab("bridge", directory=DEMO).remove_cgroups()
    shutil.rmtree(DEMO)
    sys.stdout.write("the node is down, and nothing is left\n")


if __name__ == "__main__":
    down()
