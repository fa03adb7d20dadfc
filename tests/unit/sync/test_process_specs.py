"""The process of a container's runtime spec, remembered."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cri_shim.sync import process_specs
from cri_shim.sync.process_specs import ProcessSpecs


class FakeContainers:
    """Records that can be changed while they are read."""

    def __init__(self):
        self.score, self.asked, self.gate = 0, [], asyncio.Event()
        self.gate.set()

    async def get(self, id_):
        self.asked.append(id_)
        value = json.dumps({"process": {"cwd": "/", "oomScoreAdj": self.score}}).encode()
        await self.gate.wait()
        return SimpleNamespace(id=id_, spec=SimpleNamespace(value=value))


@pytest.fixture
def containers():
    return FakeContainers()


@pytest.fixture
def specs(containers):
    return ProcessSpecs(cast("Any", SimpleNamespace(containers=containers)))


async def test_asked_for_once_and_given_to_each_as_his_own(specs, containers):
    """A second command makes no hop, and does not see the first one's changes to its spec."""
    first = await specs.of("a")
    first["cwd"] = "/elsewhere"
    assert await specs.of("a") == {"cwd": "/", "oomScoreAdj": 0}
    assert containers.asked == ["a"]


async def test_a_change_is_seen(specs, containers):
    """After the record was changed it is read again."""
    await specs.of("a")
    containers.score = 500
    specs.forget("a")
    assert (await specs.of("a"))["oomScoreAdj"] == 500


async def test_what_was_read_before_a_change_is_not_kept(specs, containers):
    """A change that comes while the record is on its way is not hidden by what is on its way."""
    containers.gate.clear()
    reading = asyncio.create_task(specs.of("a"))
    await asyncio.sleep(0)
    containers.score = 500
    specs.forget("a")
    containers.gate.set()
    assert (await reading)["oomScoreAdj"] == 0
    assert (await specs.of("a"))["oomScoreAdj"] == 500


async def test_only_the_last_ones_are_kept(specs, containers, monkeypatch):
    """Memory does not grow with the containers that have been."""
    monkeypatch.setattr(process_specs, "CAPACITY", 2)
    for id_ in ("a", "b", "a", "c", "a", "b"):
        await specs.of(id_)
    assert containers.asked == ["a", "b", "c", "b"]
