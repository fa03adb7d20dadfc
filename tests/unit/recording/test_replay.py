"""The live events of a recording, played again to a page that follows."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from cri_shim.recording import replay
from cri_shim.recording.file import read_recording, write_recording
from cri_shim.recording.site import serving
from tests.unit.terminal.records import RECORD

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HEAD = {"began_at": 1763942400.0, "ended_at": 1763942460.0}
EVENTS: list[dict[str, Any]] = [
    {"at_ms": 5000.0, "event": "start", "id": 7, "method": "RunPodSandbox"},
    {"at_ms": 5001.0, "event": "hop", "id": 7, "method": "a.Tasks/Create", "phase": "start"},
    {"at_ms": 5002.0, "event": "helper", "id": 7, "name": "bridge", "command": "ADD", "phase": "start"},
    {"at_ms": 5003.0, "event": "helper", "id": 7, "name": "bridge", "command": "ADD", "phase": "end"},
    {"at_ms": 5004.0, "event": "hop", "id": 7, "method": "a.Tasks/Create", "phase": "end", "code": "OK"},
    {"at_ms": 5005.0, "event": "hop", "id": 0, "method": "a.Version/Version", "phase": "start"},
    {"at_ms": 5006.0, "event": "end", "id": 7},
    {"at_ms": 5007.0, "event": "settled", "id": 7},
    {"at_ms": 5008.0, "event": "end", "id": 99},
    {"at_ms": 5009.0, "event": "lost", "events": 3},
    {"at_ms": 9_000_000.0, "event": "hop", "id": 0, "method": "a.Last/Last", "phase": "start"},
]


async def test_they_come_again_in_order_and_then_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A pause of hours is cut; what is about a request that is not in the recording is left out."""
    monkeypatch.setattr(replay, "LONGEST_PAUSE", 0.3)
    write_recording(tmp_path / "file", HEAD, requests=[RECORD], pods=[], events=EVENTS)
    recording = read_recording(tmp_path / "file")
    seen: list[tuple[str, dict[str, Any]]] = []
    async with (
        serving(recording, "127.0.0.1:0", replays=True) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
        asyncio.timeout(20),
        session.get("/api/live") as live,
    ):
        name = ""
        async for raw in live.content:
            field, _, value = raw.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                seen.append((name, json.loads(value)))
            if len(seen) == 10:
                break
    assert [(name, data["id"], data.get("phase", "")) for name, data in seen] == [
        ("start", 7, ""),
        ("hop", 7, "start"),
        ("helper", 7, "start"),
        ("helper", 7, "end"),
        ("hop", 7, "end"),
        ("hop", 0, "start"),
        ("end", 7, ""),
        ("settled", 7, ""),
        ("hop", 0, "start"),
        ("start", 7, ""),
    ]
    assert seen[6][1]["bill"]["wall_ms"] == RECORD["bill"]["wall_ms"]


async def test_a_recording_without_events(tmp_path: Path):
    """There is nothing to play, and the page is served all the same."""
    write_recording(tmp_path / "file", HEAD, requests=[RECORD], pods=[], events=[])
    recording = read_recording(tmp_path / "file")
    async with (
        serving(recording, "127.0.0.1:0", replays=True) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
        session.get("/api/node") as answer,
    ):
        assert (await answer.json())["recording"]["replays"]
