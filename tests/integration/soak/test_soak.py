"""A short soak: pods live and die, daemons are killed, and in the end nothing is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lab.soak import soak as running
from lab.soak.__main__ import soaked
from lab.soak.soak import Options

if TYPE_CHECKING:
    from lab.soak.lives import Node

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]


def test_nothing_is_left_and_nothing_has_grown():
    """Every life is led once before the time begins, and some more in it."""
    soak, wrong = asyncio.run(soaked(Options(seconds=6, quiet=1), {}))
    assert wrong == []
    assert soak.lives.total() > 0
    assert soak.broken_off == 0


def test_nothing_is_left_when_daemons_are_killed():
    """Lives are broken off, their pods are removed, and neither containerd nor the daemon holds anything of them."""
    soak, wrong = asyncio.run(soaked(Options(seconds=12, kill=4, kill_containerd=5, quiet=1), {}))
    assert wrong == []
    assert soak.kills > 1


def test_what_a_life_leaves_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """A pod that is not removed is among what does not hold, and so is a life that fails."""
    led = 0

    async def forgets(node: Node, uid: str) -> None:
        """Start a pod and leave it; every other time, also fail at the end of it."""
        nonlocal led
        led += 1
        pod = await node.pod(uid)
        if led % 2 == 0:
            await pod.remove()
            raise AssertionError("the claim")

    monkeypatch.setattr(running, "LIVES", (forgets,))
    _, wrong = asyncio.run(soaked(Options(seconds=1, workers=2, quiet=0), {}))
    assert "forgets: the claim" in wrong
    assert any(line.startswith("containers: left behind") for line in wrong)
