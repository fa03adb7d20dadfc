"""Pod starts are recorded from real daemons: what is written has the form, and what happened is in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING

import pytest

from lab.patience import patient
from lab.pod_starts.form import problems

if TYPE_CHECKING:
    from pathlib import Path

NETLINK = "the kernel does not report processes"


async def test_the_daemon_and_the_plugin(tmp_path: Path):
    """Hops of the ledger, programs of the kernel's reports; the plugin's files say what could not be observed."""
    recording = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab.pod_starts", "--side", "cri-shim", "--side", "plugin-1.6", "--starts", "1"),
        *("--output", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(recording.communicate(), patient(240))
    finally:
        with contextlib.suppress(ProcessLookupError):
            recording.terminate()
        await recording.wait()
    if NETLINK.encode() in printed:
        pytest.skip(f"{NETLINK} here, as in a network namespace that is not the first one")
    assert recording.returncode == 0, printed.decode()
    bridge, plugin = (json.loads((tmp_path / f"run-{name}.json").read_text()) for name in ("cri-shim", "plugin-1.6"))
    for run, server in ((bridge, "cri-shim"), (plugin, "containerd")):
        assert problems(run) == []
        seen = {(step["from"], step["to"], step["what"]) for step in run["steps"]}
        assert {
            ("kubelet", server, "RunPodSandbox"),
            (server, "CNI", "bridge ADD"),
            ("containerd", "shim", "shim start"),
            ("shim", "runc", "runc create"),
            ("runc", "container", "the container's program"),
        } <= seen
    hops = [step for step in bridge["steps"] if (step["from"], step["to"]) == ("cri-shim", "containerd")]
    assert {step["how"] for step in hops} == {"ledger"}
    assert sum(step["what"].endswith("Tasks/Create") for step in hops) == 2, "of pause and of the container"
    assert not any(step["to"] == "cri-shim" for step in plugin["steps"])
    assert ["containerd", "containerd"] in [[one["from"], one["to"]] for one in plugin["not_observed"]]
