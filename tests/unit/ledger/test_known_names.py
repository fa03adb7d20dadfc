"""The names of what a request is about: also by an id alone, and also after the object is gone."""

from __future__ import annotations

import gc

import pytest

from cri_shim.ledger.known_names import JUST_REMOVED, KnownNames, ObjectNames
from cri_shim.ledger.ledger import CAPACITY, CAPACITY_OF_EACH, SLOWEST_OF_EACH, Ledger
from cri_shim.ledger.record_json import summary
from cri_shim.state.containers import Container
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from tests.fakes.objects import APP, POD, a_container, a_pod


@pytest.fixture
def state() -> tuple[Index[Sandbox], Index[Container]]:
    """One pod with one container."""
    sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
    sandboxes.put(a_pod())
    containers.put(a_container())
    return sandboxes, containers


def test_an_id_is_enough(state: tuple[Index[Sandbox], Index[Container]]):
    """Also its beginning, as long as it is that of one object only."""
    sandboxes, _ = state
    names = KnownNames(*state)
    pod, app = ObjectNames(POD, "shop", "web"), ObjectNames(POD, "shop", "web", APP, "app", "busybox:1")
    assert names.of({"sandbox_id": POD}) == pod
    assert names.of({"container_id": APP}) == app
    assert names.of({"container_id": APP[:5]}) == app
    assert names.of({"sandbox_id": POD[:5]}) == pod
    sandboxes.put(a_pod("a1f" + "0" * 61))
    assert names.of({"sandbox_id": "a1f"}) == ObjectNames("a1f" + "0" * 61, "shop", "web")
    assert names.of({"sandbox_id": "a1"}) is None, "it may be either"
    assert names.of({"sandbox_id": APP}) is None
    assert names.of({"container_id": POD}) is None


def test_a_pod_that_becomes_known_after_its_container():
    """A request about the container before that must not hide the pod's name for as long as the container exists."""
    sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
    names = KnownNames(sandboxes, containers)
    containers.put(a_container())
    assert names.of({"container_id": APP}) == ObjectNames(POD, "", "", APP, "app", "busybox:1")
    sandboxes.put(a_pod())
    assert names.of({"container_id": APP}) == ObjectNames(POD, "shop", "web", APP, "app", "busybox:1")
    assert names.of({"container_id": "c" * 64}) is None
    assert names.of({"image": "busybox"}) is None


def test_requests_from_before_the_pods_were_read():
    """They were refused, and belong to the pod all the same, once it is known."""
    sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
    ledger = Ledger(names=KnownNames(sandboxes, containers).of)
    for subject in ({"sandbox_id": POD}, {"image": "busybox"}):
        request = ledger.open("StopPodSandbox")
        request.subject = subject
        ledger.close(request, "UNAVAILABLE")
    sandboxes.put(a_pod())
    assert [one.names for one in ledger.newest()] == [None, None]
    ledger.name_again()
    assert [one.names for one in ledger.newest()] == [ObjectNames(POD, "shop", "web"), None]


def test_what_could_not_be_made_has_a_name_and_no_id(state: tuple[Index[Sandbox], Index[Container]]):
    """A pod that did not start, and a container that was not created in a pod that exists."""
    names = KnownNames(*state)
    assert names.of({"name": "web", "namespace": "shop"}) == ObjectNames("", "shop", "web")
    assert names.of({"sandbox_id": POD, "name": "app"}) == ObjectNames(POD, "shop", "web", "", "app")
    assert names.of({"sandbox_id": POD, "name": "web", "namespace": "shop"}) == ObjectNames(POD, "shop", "web")


def test_names_from_outside_are_clean_and_bounded(state: tuple[Index[Sandbox], Index[Container]]):
    """Names come from a client or from records in containerd that others may have written."""
    sandboxes, containers = state
    sandboxes.put(a_pod("c" * 64, name="evil\n\u202ename", namespace="n" * 5000))
    containers.put(a_container("d" * 64, "c" * 64, "\x1b[31m" + "x" * 5000))
    names = KnownNames(*state).of({"container_id": "d" * 64})
    assert names is not None
    assert all(text.isprintable() and len(text) < 300 for text in (names.pod, names.namespace, names.container))


def test_the_names_of_what_is_removed_stay_as_long_as_a_request_is_remembered(
    state: tuple[Index[Sandbox], Index[Container]],
):
    """A removal and later requests have the names; when no request is remembered any more, neither are they."""
    sandboxes, containers = state
    names = KnownNames(*state)
    ledger = Ledger(names=names.of)
    creation = ledger.open("CreateContainer")
    creation.subject = {"sandbox_id": POD, "name": "app", "container_id": APP}
    ledger.close(creation)
    for index, gone in ((containers, APP), (sandboxes, POD)):
        index.drop(gone)
    for number in range(JUST_REMOVED):
        sandboxes.put(a_pod(f"{number:064x}"))
        sandboxes.drop(f"{number:064x}")
    gc.collect()
    later = ledger.open("StopContainer")
    later.subject = {"container_id": APP}
    ledger.close(later)
    stored = ledger.find(later.id)
    assert stored is not None
    assert summary(stored)["pod"] == {"id": POD, "namespace": "shop", "name": "web"}
    assert summary(stored)["container"] == {"id": APP, "name": "app", "image": "busybox:1"}
    assert summary(stored)["subject"] == {"container_id": APP}, "what the client sent is there unchanged"
    del creation, later, stored
    for method in ("CreateContainer", "StopContainer", "Other"):
        for _ in range({"Other": CAPACITY}.get(method, CAPACITY_OF_EACH + SLOWEST_OF_EACH)):
            request = ledger.open(method)
            ledger.close(request)
            ledger._slowest.clear()
    gc.collect()
    assert names.of({"container_id": APP}) is None


def test_a_removal_that_nothing_else_is_remembered_of_has_its_names(state: tuple[Index[Sandbox], Index[Container]]):
    """The pod was made before the daemon was started, and is gone when its removal is kept."""
    sandboxes, containers = state
    ledger = Ledger(later=lambda _: None, names=KnownNames(*state).of)
    for method, key, id_, index in (
        ("RemoveContainer", "container_id", APP, containers),
        ("RemovePodSandbox", "sandbox_id", POD, sandboxes),
    ):
        request = ledger.open(method)
        request.subject = {key: id_}
        index.drop(id_)
        ledger.close(request)
    ledger.catch_up()
    removal, end = ledger.newest()
    assert removal.names is not None
    assert end.names is not None
    assert (removal.names.pod_id, removal.names.pod, removal.names.container) == (POD, "web", "app")
    assert (end.names.pod_id, end.names.namespace, end.names.pod, end.names.container_id) == (POD, "shop", "web", "")
