"""Each change of a pod or container makes the events that happened, and no others."""

from __future__ import annotations

import itertools

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.containers import Container, Status, exited
from cri_shim.state.sandboxes import PinnedNamespaces, Sandbox
from cri_shim.state.transitions import (
    CREATED,
    DELETED,
    STARTED,
    STOPPED,
    container_transitions,
    sandbox_transitions,
)

MADE = Container("c", "c", "s", cri.ContainerConfig(), Status(created_at=1), "i")
RUNS = MADE.with_status(started_at=2, pid=7)
ENDED = exited(0, 3)(RUNS)
NEVER_RAN = exited(128, 3, reason="StartError")(MADE)
UNKNOWN = ENDED.replace(unknown_reason="nobody can say")

POD_MADE = Sandbox("s", "s", cri.PodSandboxConfig(), 1)
POD_RUNS = POD_MADE.replace(pid=5)
POD_ENDED = POD_RUNS.replace(pid=0, exited_at=9)
PINNED_MADE = POD_MADE.replace(pinned=PinnedNamespaces("/uts", "/ipc"))
PINNED_UP = PINNED_MADE.replace(cni_result={})


@pytest.mark.parametrize(
    ("old", "new", "events"),
    [
        (None, MADE, (CREATED,)),
        (MADE, RUNS, (STARTED,)),
        (RUNS, ENDED, (STOPPED,)),
        (ENDED, None, (DELETED,)),
        (MADE, NEVER_RAN, (STOPPED,)),
        (MADE, None, (DELETED,)),
        (RUNS, None, (STOPPED, DELETED)),
        (None, ENDED, (CREATED, STOPPED)),
        (None, RUNS, (CREATED, STARTED)),
        (UNKNOWN, exited(255, 4)(UNKNOWN), (STOPPED,)),
        (ENDED, UNKNOWN, (STARTED,)),
        (None, MADE.replace(unknown_reason="unreadable"), (CREATED,)),
        (RUNS, RUNS.replace(oom_killed=True), ()),
        (MADE, MADE.replace(starting=True), ()),
        (ENDED, ENDED.replace(removing=True), ()),
        (RUNS, RUNS.with_status(resources=cri.ContainerResources()), ()),
        (None, None, ()),
    ],
)
def test_of_a_container(old, new, events):
    """A step of a container's life is told once, and what is no step is not told."""
    assert container_transitions(old, new) == events


@pytest.mark.parametrize(
    ("old", "new", "events"),
    [
        (None, POD_RUNS, (CREATED, STARTED)),
        (None, POD_MADE, (CREATED,)),
        (POD_MADE, POD_RUNS, (STARTED,)),
        (POD_RUNS, POD_ENDED, (STOPPED,)),
        (POD_ENDED, None, (DELETED,)),
        (POD_RUNS, None, (STOPPED, DELETED)),
        (POD_ENDED, POD_RUNS, (STARTED,)),
        (None, POD_MADE.replace(unknown_reason="undo failed"), (CREATED,)),
        (POD_RUNS, POD_RUNS.replace(network_down=True), ()),
        (POD_RUNS, POD_RUNS.replace(config=cri.PodSandboxConfig(hostname="h")), ()),
    ],
)
def test_of_a_pod(old, new, events):
    """The same for the pod itself, which is stored when it already runs."""
    assert sandbox_transitions(old, new) == events


def test_any_way_through_life_is_reported_in_order():
    """Whatever way a container goes, CREATED comes first, DELETED last, none twice in a row; what started stops."""
    for length in range(1, 5):
        for way in itertools.product((MADE, RUNS, ENDED, NEVER_RAN, UNKNOWN), repeat=length):
            if MADE in way[1:]:
                continue  # nothing makes a container young again
            events = [
                type_
                for old, new in itertools.pairwise((None, *way, None))
                for type_ in container_transitions(old, new)
            ]
            assert events[0] == CREATED
            assert events[-1] == DELETED
            assert all(one != other for one, other in itertools.pairwise(events))
            assert STARTED not in events or STOPPED in events


def test_a_pod_without_a_process_is_up_with_its_network():
    """It has begun when the network is in its namespaces, is ready from then on, and stops when they are let go."""
    assert not PINNED_MADE.ready
    assert PINNED_UP.ready
    assert not PINNED_UP.replace(unknown_reason="nobody can say").ready
    assert sandbox_transitions(None, PINNED_MADE) == (CREATED,)
    assert sandbox_transitions(PINNED_MADE, PINNED_UP) == (STARTED,)
    assert sandbox_transitions(PINNED_UP, PINNED_UP.replace(exited_at=9)) == (STOPPED,)
