"""A daemon without one of its tricks: each switch really turns the trick off."""

from __future__ import annotations

import asyncio
import os

import uvloop

from cri_shim.tuning import admission
from cri_shim.tuning.cgroup_moves import CgroupMoves
from lab.without import TRICKS


def test_each_trick_is_off(monkeypatch):
    """A switch that names what has moved meanwhile would measure nothing."""
    monkeypatch.setattr(uvloop, "new_event_loop", uvloop.new_event_loop)
    monkeypatch.setattr(admission, "OF_EACH_CORE", admission.OF_EACH_CORE)
    monkeypatch.setattr(CgroupMoves, "prepare", CgroupMoves.prepare)
    monkeypatch.setenv("GRPC_EXPERIMENTS", "-event_engine_client")
    for switch_off in TRICKS.values():
        switch_off()
    moves: list[str] = []
    CgroupMoves(lambda: moves.append("move")).prepare()
    assert not moves
    assert uvloop.new_event_loop is asyncio.new_event_loop
    assert admission.width_for(2) > 1000
    assert os.environ["GRPC_EXPERIMENTS"] == ""
