"""Turns at starts and stops, with real pods: a plugin that only waits holds up nobody but its own pod for long."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from lab.lab import Lab
from lab.pods import Pod

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

PODS = 6
WAITS = 3.0
"""Seconds that the plugin waits; it hands on what the plugin before it said."""
_PLUGIN = """#!/usr/bin/python3
import json, os, sys, time
asked = json.load(sys.stdin)
if os.environ["CNI_COMMAND"] == "{command}":
    time.sleep({seconds})
if os.environ["CNI_COMMAND"] == "ADD":
    json.dump(asked["prevResult"], sys.stdout)
"""


def lab_whose_plugin_waits(directory: Path, command: str) -> Lab:
    """One pod at a time, and a plugin that takes its time for ``command``."""
    plugin = directory / "bin" / "fake-waiting"
    plugin.parent.mkdir()
    plugin.write_text(_PLUGIN.format(command=command, seconds=WAITS))
    plugin.chmod(0o755)
    settings = {
        "runtime": {"starts_at_once": 1},
        "cni": {"bin_dir": "", "bin_dirs": ["/usr/lib/cni", str(plugin.parent)]},
    }
    return Lab("bridge", settings=settings, cni_plugins=({"type": "fake-waiting"},))


async def start(lab: Lab, number: int) -> Pod:
    """A pod with a container that runs on."""
    pod = await Pod.run(lab.client, lab.busybox, name=f"turn-{number}", cgroup_parent=lab.cgroup_parent)
    await pod.start(command=["sleep", "1000"])
    return pod


async def test_pods_do_not_queue_behind_a_plugin_that_waits(tmp_path: Path) -> None:
    """With one start at a time six pods would take six waits one after the other; they take far less."""
    async with lab_whose_plugin_waits(tmp_path, "ADD") as lab:
        began = time.monotonic()
        await asyncio.gather(*(start(lab, number) for number in range(PODS)))
        took = time.monotonic() - began
        assert len((await lab.client.ListPodSandbox()).items) == PODS
    assert WAITS <= took < PODS * WAITS * 2 / 3


async def test_nor_do_pods_that_end(tmp_path: Path) -> None:
    """Their addresses are given back by the same plugin."""
    async with lab_whose_plugin_waits(tmp_path, "DEL") as lab:
        pods = await asyncio.gather(*(start(lab, number) for number in range(PODS)))
        began = time.monotonic()
        await asyncio.gather(*(pod.remove() for pod in pods))
        took = time.monotonic() - began
        assert not (await lab.client.ListPodSandbox()).items
    assert WAITS <= took < PODS * WAITS * 2 / 3
