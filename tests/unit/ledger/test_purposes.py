"""Every piece of a request has a sentence about what it is for."""

from __future__ import annotations

import re
from pathlib import Path

from containerd_client.retry import RETRY
from cri_shim.kernel import executors
from cri_shim.ledger.purposes import (
    _ANYWHERE,
    _IN_REQUEST,
    _STAGES,
    _WAITS,
    helper_purpose,
    hop_purpose,
    stage_purpose,
    wait_purpose,
)
from cri_shim.timeline import OUTSIDE

SOURCES = [path.read_text() for path in Path("cri_shim").rglob("*.py")]


def test_every_described_hop_is_a_call_of_the_client():
    """A purpose for a call that the client does not have would be a typing error."""
    known = {method.rsplit(".", 1)[-1] for method in RETRY}
    assert {hop for _, hop in _IN_REQUEST} | set(_ANYWHERE) <= known


def test_a_hop_may_be_for_something_else_in_another_request():
    """With the package in its name or without."""
    create = "containerd.services.tasks.v1.Tasks/Create"
    assert hop_purpose("RunPodSandbox", create) == hop_purpose("RunPodSandbox", "Tasks/Create")
    assert hop_purpose("RunPodSandbox", create) != hop_purpose("StartContainer", create)
    assert hop_purpose("RunPodSandbox", "Tasks/Unheard") == ""


def test_every_stage_and_wait_of_the_daemon_is_described():
    """Their names are literals, so they can be looked for in the sources; none is described that does not exist."""
    stages = {name for text in SOURCES for name in re.findall(r"""\bstage\("([^"]+)\"""", text)}
    stages |= {name for text in SOURCES for name in re.findall(r"""\bnote_stage\("([^"]+)\"""", text)}
    waits = {name for text in SOURCES for name in re.findall(r"""\b(?:awaited|note_wait)\("([^"]+)\"""", text)}
    waits |= {*executors._WAITS.values(), "executor", *OUTSIDE}
    assert stages == set(_STAGES)
    assert waits == set(_WAITS)
    assert all(map(stage_purpose, stages))
    assert all(map(wait_purpose, waits))


def test_plugins_of_cni_are_described():
    """The usual ones by what they do, all others by their command; a command of a later CNI has no sentence."""
    assert "ports" in helper_purpose("portmap", "ADD")
    assert helper_purpose("portmap", "DEL") == "detach the pod from its network"
    assert helper_purpose("of-a-vendor", "ADD") == "attach the pod to its network"
    assert helper_purpose("portmap", "UNHEARD") == ""
