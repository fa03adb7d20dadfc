"""The table of repeats is whole, and says of each method what containerd's behaviour allows."""

from __future__ import annotations

import pytest

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2
from containerd_client.api.containerd.services.diff.v1 import diff_pb2
from containerd_client.api.containerd.services.events.v1 import events_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2
from containerd_client.api.containerd.services.leases.v1 import leases_pb2
from containerd_client.api.containerd.services.mounts.v1 import mounts_pb2
from containerd_client.api.containerd.services.namespaces.v1 import namespaces_pb2
from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.services.streaming.v1 import streaming_pb2
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2
from containerd_client.api.containerd.services.transfer.v1 import transfer_pb2
from containerd_client.api.containerd.services.version.v1 import version_pb2
from containerd_client.errors import Aborted, ClientClosed, NotFound, Unavailable
from containerd_client.retry import GONE_IS_DONE, RETRY, Retry, worth_repeating

FILES = (
    containers_pb2,
    content_pb2,
    diff_pb2,
    events_pb2,
    images_pb2,
    introspection_pb2,
    leases_pb2,
    mounts_pb2,
    namespaces_pb2,
    sandbox_pb2,
    snapshots_pb2,
    streaming_pb2,
    tasks_pb2,
    transfer_pb2,
    version_pb2,
)
METHODS = {
    f"{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def test_every_method_of_every_service_has_a_class_and_no_other():
    """A method that containerd serves and the table lacks would fail when the client is made; a leftover would lie."""
    assert set(RETRY) == set(METHODS)


def test_two_way_streams_and_open_ended_calls_are_never_repeated():
    """Their callers resume or re-issue them."""
    for name, method in METHODS.items():
        if method.client_streaming or name.endswith(("/Wait", "Events/Subscribe")):
            assert RETRY[name] is Retry.NEVER, name


def test_gone_is_done_holds_only_for_deletes_without_an_answer():
    """A delete that answers with something (an exit code) cannot be taken for done when nothing is found."""
    for name in GONE_IS_DONE:
        assert RETRY[name] is Retry.IDEMPOTENT_WRITE
        assert not METHODS[name].output_type.fields, name


@pytest.mark.parametrize("name", sorted(name for name in METHODS if name.endswith(("/Create", "/Prepare", "/Exec"))))
def test_what_makes_something_checks_first(name):
    """A blind repeat of a create would answer AlreadyExists for what it made itself."""
    assert RETRY[name] is Retry.CHECK_FIRST


def test_what_is_worth_repeating():
    """Unavailable and Aborted, by class; never a locked ingest or a closed client; always what was never sent."""
    away = Unavailable("m", "Socket closed")
    unsent = Unavailable("m", "no connection", never_sent=True)
    locked = Unavailable("m", "ref layer-x locked for 3s: unavailable")
    for rule in (Retry.READ, Retry.IDEMPOTENT_WRITE, Retry.CHECK_FIRST):
        assert worth_repeating(rule, away)
        assert worth_repeating(rule, Aborted("m", "conflict"))
        assert not worth_repeating(rule, NotFound("m", "x"))
        assert not worth_repeating(rule, locked)
        assert not worth_repeating(rule, ClientClosed("m", "closed"))
    assert not worth_repeating(Retry.NEVER, away)
    assert worth_repeating(Retry.NEVER, unsent)
