"""The daemon knows its front hop by calling itself, and leaves no trace of that."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio

from cri_shim.ledger.front.front_probe_client import METHOD, SERVICE
from lab.cri_client import OPTIONS
from lab.lab import Lab
from lab.patience import patient
from tests.integration.ledger.conftest import Web, bill, billed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LABS = {("ListPodSandbox", "v1"), ("PullImage", "v1")}
"""Requests that the lab and this test have made."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node() -> AsyncIterator[Lab]:
    """A node whose daemon is stopped and started."""
    async with Lab("bridge") as lab:
        yield lab


async def list_until(lab: Lab, known: str) -> dict[str, Any]:
    """Ask until the front hop is known in that way; the bill."""
    async with asyncio.timeout(patient(30)):
        while True:
            _, trailer = await billed(lab, "ListPodSandbox")
            if (values := bill(trailer))["front_known"] == known:
                return values
            await asyncio.sleep(0.2)


def probes(lab: Lab) -> list[int]:
    """Programs that call this daemon."""
    calls = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(lab.bridge.socket).encode() in command and any(b"front_probe_client" in word for word in command):
            calls.append(int(process.name))
    return calls


async def test_a_request_is_charged_and_the_probe_is_not_seen(node: Lab) -> None:
    """In no list of requests and not in the log."""
    values = await list_until(node, "estimate")
    assert values["front"] > 0
    assert values["price"] == values["front"] + values["transport"] + values["work"]
    assert METHOD not in node.bridge.log
    assert "probe" not in node.bridge.log
    address = (node.bridge.state / "http-address").read_text().strip()
    requests = (await asyncio.to_thread(Web(address).json, "/api/requests?limit=2000"))["requests"]
    assert {(one["method"], one["api"]) for one in requests} <= LABS


async def test_a_daemon_that_stops_in_a_round_stops_at_once(node: Lab) -> None:
    """And the program with it."""
    await asyncio.to_thread(node.bridge.restart)
    async with asyncio.timeout(patient(10)):
        while not probes(node):
            await asyncio.sleep(0.01)
    began = time.monotonic()
    assert await asyncio.to_thread(node.bridge.stop) == 0
    assert time.monotonic() - began < patient(5)
    assert probes(node) == []
    await asyncio.to_thread(node.bridge.start)


async def test_a_killed_daemon_leaves_no_program(node: Lab) -> None:
    """Its connection ends."""
    await asyncio.to_thread(node.bridge.restart)
    async with asyncio.timeout(patient(10)):
        while not probes(node):
            await asyncio.sleep(0.01)
    await asyncio.to_thread(node.bridge.kill9)
    async with asyncio.timeout(patient(10)):
        while probes(node):
            await asyncio.sleep(0.05)
    await asyncio.to_thread(node.bridge.start)


async def test_the_front_hop_is_known_behind_a_new_socket(node: Lab) -> None:
    """The file is deleted and made anew."""
    await list_until(node, "estimate")
    node.bridge.socket.unlink()
    async with asyncio.timeout(patient(10)):
        while not node.bridge.socket.exists():
            await asyncio.sleep(0.05)
    assert (await list_until(node, "estimate"))["front"] > 0


async def test_without_a_ledger_there_is_no_probe(node: Lab) -> None:
    """Neither the program nor the method."""
    node.bridge.settings["ledger"] = {"enabled": False}
    await asyncio.to_thread(node.bridge.restart)
    async with grpc.aio.insecure_channel(node.endpoint, options=OPTIONS) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert probes(node) == []
