"""What is listed of a record that says little or nonsense."""

from __future__ import annotations

import time

import pytest

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.disk.container_directories import make_container_dirs
from cri_shim.disk.status_file import write_status
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.paths import Paths
from cri_shim.state.containers import Status
from cri_shim.sync.load import load_container, load_sandbox

ID = "a" * 64
GO_ZERO_SECONDS = -62_135_596_800


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "root", tmp_path / "state")


@pytest.mark.parametrize("seconds", [None, 0, GO_ZERO_SECONDS])
def test_a_record_without_a_time(paths, seconds):
    """It is listed with the present: a client may take 0, or the year 1, for anything."""
    record = containers_pb2.Container(id=ID)
    if seconds is not None:
        record.created_at.seconds = seconds
    before = time.time_ns()
    sandbox, container = load_sandbox(record, RecordingKernel()), load_container(record, paths)
    assert sandbox.unknown_reason
    assert container.unknown_reason
    assert before <= sandbox.created_at <= time.time_ns()
    assert before <= container.status.created_at <= time.time_ns()


def test_a_status_without_a_time(paths):
    """The record's time fills it in; what else the status says stays."""
    make_container_dirs(paths, ID)
    write_status(paths.container_root(ID), Status(exit_code=3, finished_at=7))
    record = containers_pb2.Container(id=ID)
    record.created_at.seconds = 5
    status = load_container(record, paths).status
    assert (status.created_at, status.exit_code, status.finished_at) == (5_000_000_000, 3, 7)
