"""`cri-shim status` of a real daemon: ready, without containerd, without a network, and not there at all."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from lab.lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="session")]

PROGRAM = str(Path(sys.executable).parent / "cri-shim")


async def status(lab: Lab, *arguments: str) -> tuple[int | None, dict[str, Any], str]:
    """Run the command with the daemon's own file; exit code, document and standard error."""
    command = (PROGRAM, "status", "--config", str(lab.bridge.config_file), "-o", "json", *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode, json.loads(out), err.decode()


def part(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one part."""
    return next(each for each in document["parts"] if each["name"] == name)


async def test_a_daemon_that_is_ready_and_has_a_pod(lab: Lab) -> None:
    """What it says is so: process, file, versions, pods."""
    await run_pod(lab)
    code, document, err = await status(lab)
    assert (code, err) == (0, "")
    assert document["daemon"]["pid"] == lab.bridge.daemon.pid
    assert document["daemon"]["config_file"] == str(lab.bridge.config_file)
    assert document["containerd"]["version"][:1].isdigit()
    assert document["pods"] == {"ready": 1}
    assert [each["ready"] for each in document["parts"]] == [True] * 7
    assert document["explorer"] == (lab.bridge.state / "http-address").read_text().strip()
    assert document["loop_lag_ms"] is not None
    assert "runc" in [each["name"] for each in document["handlers"]]


async def test_without_containerd(lab: Lab) -> None:
    """Code 1 with the reason; after it has come back, `--wait` ends, and the last error is still known."""
    await asyncio.to_thread(lab.containerd.stop)
    code, document, err = await status(lab, "--wait", "1")
    while code == 0:  # the daemon notices the end a moment later
        code, document, err = await status(lab, "--wait", "1")
    assert (code, err) == (1, "not ready after 1 s\n")
    assert "containerd is away" in part(document, "containerd")["reason"]
    assert part(document, "network")["ready"] is True
    waiting = asyncio.create_task(status(lab, "--wait", "60"))
    await asyncio.to_thread(lab.containerd.start)
    code, document, _ = await waiting
    assert code == 0
    assert "containerd is away" in part(document, "containerd")["last_error"]


async def test_without_a_network(lab: Lab) -> None:
    """The part and the condition say which directory is empty; `--wait` ends when there is one."""
    directory = Path(lab.bridge.cni_conf_dir)
    files = list(directory.iterdir())
    for file in files:
        file.rename(directory.parent / file.name)
    try:
        code, document, _ = await status(lab)
        while code == 0:
            code, document, _ = await status(lab)
        assert (code, part(document, "network")["ready"]) == (1, False)
        assert str(directory) in part(document, "network")["reason"]
        waiting = asyncio.create_task(status(lab, "--wait", "60"))
    finally:
        for file in files:
            (directory.parent / file.name).rename(file)
    assert (await waiting)[0] == 0


async def test_without_a_daemon(lab: Lab) -> None:
    """A sentence, and the wait ends when it has started."""
    await asyncio.to_thread(lab.bridge.stop)
    code, document, err = await status(lab)
    assert code == 1
    assert "no cri-shim serves" in document["error"]
    assert "systemctl start cri-shim" in " ".join(err.split())
    waiting = asyncio.create_task(status(lab, "--wait", "60"))
    await asyncio.to_thread(lab.bridge.start)
    assert (await waiting)[0] == 0


async def test_a_daemon_that_is_stopped_by_a_signal_gets_a_bounded_time(lab: Lab) -> None:
    """Its socket takes the connection, and nothing comes."""
    process = lab.bridge.daemon
    process.signal(19)
    try:
        code, document, _ = await status(lab, "--wait", "1")
    finally:
        process.signal(18)
    assert code == 1
    assert "given no answer" in document["error"] or "hangs" in document["error"]
    assert (await status(lab, "--wait", "60"))[0] == 0
