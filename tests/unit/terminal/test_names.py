"""Requests are named after their pod and container; a daemon that knows no names gives ids."""

from __future__ import annotations

import pytest

from cri_shim.terminal.names import full_subject, name_of
from cri_shim.terminal.table import request_line
from cri_shim.terminal.waterfall import waterfall
from tests.unit.terminal.records import RECORD

POD = {"id": "a1" * 32, "namespace": "shop", "name": "web"}
APP = {"id": "b2" * 32, "name": "app", "image": "busybox:1"}
STOP = {**RECORD, "method": "StopContainer", "subject": {"container_id": "b2" * 32}, "pod": POD, "container": APP}


def test_a_request_with_an_id_alone_has_its_names():
    """In a line for each request, and in the head of one; there the ids are beside them, in full."""
    assert "shop/web/app" in request_line(STOP)
    assert "b2b2" not in request_line(STOP)
    head = waterfall(STOP, width=400).splitlines()[1]
    assert head == f"shop/web/app  pod={'a1' * 32}  container={'b2' * 32}"


@pytest.mark.parametrize(
    ("subject", "pod", "container", "name"),
    [
        ({"sandbox_id": "a1" * 32}, POD, None, "shop/web"),
        ({"image": "busybox:1", "sandbox_id": "a1" * 32}, POD, None, "busybox:1"),
        ({"sandbox_id": "a1" * 32, "name": "app"}, POD, {"id": "", "name": "app", "image": ""}, "shop/web/app"),
        ({"container_id": "b2" * 32}, {"id": "a1" * 32, "namespace": "", "name": ""}, APP, f"{'a1' * 6}/app"),
        ({}, None, None, ""),
    ],
)
def test_names(subject: dict[str, str], pod: dict[str, str] | None, container: dict[str, str] | None, name: str):
    """What is known is said; what is not known is left out."""
    assert name_of({**RECORD, "subject": subject, "pod": pod, "container": container}) == name


def test_a_daemon_of_an_earlier_release_has_ids():
    """Its answers lack `pod` and `container`."""
    old = {**RECORD, "subject": {"container_id": "b2" * 32}}
    assert "container_id=b2b2b2" in request_line(old)
    assert full_subject(old) == f"container_id={'b2' * 32}"
