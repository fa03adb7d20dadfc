"""Turns at starts, with real pods: a network plugin that only waits holds up nobody but its own pod for long."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.lab import Lab
from tests.lab.pods import Pod

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

PODS = 6
WAITS = 3.0
"""Seconds that the plugin waits in each ADD; it hands on what the plugin before it said."""
_PLUGIN = f"""#!/usr/bin/python3
import json, os, sys, time
asked = json.load(sys.stdin)
if os.environ["CNI_COMMAND"] == "ADD":
    time.sleep({WAITS})
    json.dump(asked["prevResult"], sys.stdout)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_pods_do_not_queue_behind_a_plugin_that_waits(tmp_path: Path) -> None:
    """With one start at a time six pods would take six waits one after the other; they take far less."""
    plugin = tmp_path / "bin" / "fake-waiting"
    plugin.parent.mkdir()
    plugin.write_text(_PLUGIN)
    plugin.chmod(0o755)
    settings = {
        "runtime": {"starts_at_once": 1},
        "cni": {"bin_dir": "", "bin_dirs": ["/usr/lib/cni", str(plugin.parent)]},
    }
    async with Lab("bridge", settings=settings, cni_plugins=({"type": "fake-waiting"},)) as lab:

        async def start(number: int) -> None:
            pod = await Pod.run(lab.client, lab.busybox, name=f"turn-{number}", cgroup_parent=lab.cgroup_parent)
            await pod.start(command=["sleep", "1000"])

        began = time.monotonic()
        await asyncio.gather(*(start(number) for number in range(PODS)))
        took = time.monotonic() - began
        assert len((await lab.client.ListPodSandbox()).items) == PODS
    assert WAITS <= took < PODS * WAITS * 2 / 3
