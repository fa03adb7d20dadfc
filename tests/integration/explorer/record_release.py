"""Record what the daemon of a release answers, for the tests of the next release; CONTRIBUTING.md says when.

``python -m tests.integration.explorer.record_release``, as root, writes ``release_VERSION.json`` beside this file: by
path, what the daemon answers after three pods and a request that was refused, and one live event of each kind. It
refuses in a checkout that is not the release; ``--output FILE`` writes elsewhere, from any checkout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc

import cri_shim
from lab.lab import Lab
from lab.pods import Pod
from lab.registry import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

PATHS = ("/api/node", "/api/methods", "/api/requests", "/api/pods", "/api/calibration")
CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"


async def record() -> dict[str, Any]:
    """Return the answers by path."""
    address = f"127.0.0.1:{free_port()}"
    async with (
        Lab("bridge", settings={"http": {"address": address}}) as lab,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        for number in range(3):
            pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, name=f"shop-{number}")
            await pod.start("app")
            await pod.remove()
        with contextlib.suppress(grpc.RpcError):
            await lab.client.StartContainer(container_id="unknown")
        answers: dict[str, Any] = {"/api/live": await _events(session, lab)}
        for path in PATHS:
            answers[path] = await _answer(session, path)
        answers["/api/node"]["containerd_address"] = "/run/containerd/containerd.sock"
        first = {(one["method"], one["code"]): one["id"] for one in reversed(answers["/api/requests"]["requests"])}
        for number in first.values():
            answers[f"/api/requests/{number}"] = await _answer(session, f"/api/requests/{number}")
        for pod_id in [one["id"] for one in answers["/api/pods"]["pods"]]:
            answers[f"/api/pods/{pod_id}"] = await _answer(session, f"/api/pods/{pod_id}")
        return answers


async def _answer(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        return await response.json()


async def _events(session: aiohttp.ClientSession, lab: Lab) -> list[tuple[str, dict[str, Any]]]:
    """Return the first live event of each kind of one pod's life, as name and data."""
    kinds: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    async with session.get("/api/live") as stream:
        pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, name="live")
        await pod.remove()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while name := (await stream.content.readline()).decode().strip().removeprefix("event: "):
                    data = json.loads((await stream.content.readline()).decode().removeprefix("data: "))
                    await stream.content.readline()
                    kinds.setdefault((name, data.get("phase", "")), (name, data))
    return list(kinds.values())


def not_released(changelog: str, version: str) -> str:
    """Return why a checkout with this changelog is not the release ``version``; empty if it is."""
    head, *released = re.split(r"^## \[", changelog.partition("## [Unreleased]")[2], flags=re.MULTILINE)
    if head.strip():
        return "CHANGELOG.md has changes below [Unreleased]"
    if not released or not released[0].startswith(f"{version}]"):
        return f"CHANGELOG.md does not begin with {version}"
    return ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, one line for each path."""
    parser = argparse.ArgumentParser(description="Record what the daemon of this release answers.")
    parser.add_argument("--output", type=Path, help="write this file instead, from any checkout")
    output = parser.parse_args(arguments).output
    version = cri_shim.__version__
    if output is None and (reason := not_released(CHANGELOG.read_text(encoding="utf-8"), version)):
        raise SystemExit(
            f"this checkout is not release {version}: {reason}; "
            f"check out the commit `release: {version}`, or give --output FILE"
        )
    if os.geteuid() != 0:
        raise SystemExit("run this as root: it starts pods")
    output = output or Path(__file__).with_name(f"release_{version.replace('.', '_')}.json")
    answers = asyncio.run(record())
    lines = [f"{json.dumps(path)}: {json.dumps(one, separators=(',', ':'))}" for path, one in answers.items()]
    output.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"wrote {output}: {len(answers)} answers")


if __name__ == "__main__":
    main()
