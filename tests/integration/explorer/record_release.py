"""Record what this checkout's daemon answers, for the tests of the next release: run it in a checkout of the release.

``python -m tests.integration.explorer.record_release`` writes ``release_VERSION.json`` beside this file: by path, what
the daemon answers after three pods and a request that was refused, and one live event of each kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import grpc

import cri_shim
from lab.lab import Lab
from lab.pods import Pod
from lab.registry import free_port

PATHS = ("/api/node", "/api/methods", "/api/requests")


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


def main() -> None:
    """Write the file, one line for each path."""
    version = cri_shim.__version__.replace(".", "_")
    answers = asyncio.run(record())
    lines = [f"{json.dumps(path)}: {json.dumps(one, separators=(',', ':'))}" for path, one in answers.items()]
    Path(__file__).with_name(f"release_{version}.json").write_text(
        "{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
