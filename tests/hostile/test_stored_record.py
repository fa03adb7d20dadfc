"""What a record of a pod or container in containerd may hold: it is read, or refused and then listed as unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.any_pb2 import Any

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import read_status
from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.resources import updated_spec
from cri_shim.paths import Paths
from cri_shim.state.stored.metadata import CONTAINER_EXTENSION, SANDBOX_EXTENSION, read_container, read_sandbox
from cri_shim.state.stored.spec import process_of, read_spec
from cri_shim.sync.load import load_container, load_sandbox
from tests.fakes.service import NODE
from tests.hostile.inputs import Input, check_refusal, every

if TYPE_CHECKING:
    from pathlib import Path

ID = "c" * 64


@every("stored-record")
def test_stored_record(given: Input, tmp_path: Path) -> None:
    sandbox = given.name.startswith("sandbox-")
    key = SANDBOX_EXTENSION if sandbox else CONTAINER_EXTENSION
    record = containers_pb2.Container(id=ID, extensions={key: Any(value=given.data)})
    if sandbox:
        pod = load_sandbox(record, RecordingKernel())
        shown = cri.ListPodSandboxResponse.FromString(pod.list_entry()).items[0]
        assert (shown.id, bool(pod.unknown_reason)) == (ID, not given.accepted)
    else:
        record.spec.value = b"{}"
        container = load_container(record, Paths(tmp_path, tmp_path))
        assert cri.ListContainersResponse.FromString(container.list_entry()).containers[0].id == ID
    read = read_sandbox if sandbox else read_container
    if not given.accepted:
        with pytest.raises(ValueError, match=ID) as refused:
            read(record)
        check_refusal(given, refused.value)
        return
    stored = read(record)
    for field, value in given.expectation.items():
        parsed = getattr(stored, field) if hasattr(stored, field) else dict(getattr(stored.config, field))
        assert parsed == value


@pytest.mark.parametrize("spec", [b"{", b'{"process": []}', b'{"process": {"user": {"uid": "x"}}}', b"[" * 100_000])
def test_a_spec_of_any_shape(spec: bytes, tmp_path: Path) -> None:
    """A container whose spec cannot be read is listed as unknown."""
    extension = Any(value=b'{"Version": "v1", "Metadata": {"Name": "n"}}')
    record = containers_pb2.Container(id=ID, extensions={CONTAINER_EXTENSION: extension})
    record.spec.value = spec
    container = load_container(record, Paths(tmp_path, tmp_path))
    assert container.unknown_reason
    assert cri.ListContainersResponse.FromString(container.list_entry()).containers[0].state == cri.CONTAINER_UNKNOWN


@every("record-spec")
def test_record_spec(given: Input) -> None:
    """What a command in the container would run like, and what a change of its limits begins from."""
    record = containers_pb2.Container(id=ID)
    record.spec.value = given.data
    if not given.accepted:
        with pytest.raises(FailedPreconditionError, match=ID) as refused:
            process_of(record)
        check_refusal(given, refused.value)
        return
    assert process_of(record) == given.expectation
    request = cri.LinuxContainerResources(cpu_shares=5, unified={"memory.high": "1"}, oom_score_adj=3)
    changed = updated_spec(read_spec(record), request, NODE, SpecOptions())
    assert changed["linux"]["resources"] == {"cpu": {"shares": 5}, "unified": {"memory.high": "1"}}
    assert changed["process"]["oomScoreAdj"] == 3


@every("status-file")
def test_status_file(given: Input, tmp_path: Path) -> None:
    (tmp_path / "status").write_bytes(given.data)
    if not given.accepted:
        with pytest.raises(ValueError, match="is not readable") as refused:
            read_status(tmp_path)
        check_refusal(given, refused.value)
        return
    status = read_status(tmp_path)
    for field, value in given.expectation.items():
        assert getattr(status, field) == value


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(2**63 - 1, 0), (1, 2**31 - 1), (1, -1), (-(2**63), -5), (253402300800, 0)]
)
def test_a_time_of_any_size(seconds: int, nanos: int, tmp_path: Path) -> None:
    """A record may hold seconds and nanoseconds that no calendar has; nothing is listed with the time 0."""
    extensions = {
        SANDBOX_EXTENSION: Any(value=b'{"Version": "v1", "Metadata": {"Name": "n"}}'),
        CONTAINER_EXTENSION: Any(value=b'{"Version": "v1", "Metadata": {"Name": "n"}}'),
    }
    record = containers_pb2.Container(id=ID, extensions=extensions)
    record.spec.value = b"{}"
    record.created_at.seconds, record.created_at.nanos = seconds, nanos
    pod = cri.ListPodSandboxResponse.FromString(load_sandbox(record, RecordingKernel()).list_entry()).items[0]
    container = load_container(record, Paths(tmp_path, tmp_path))
    shown = cri.ListContainersResponse.FromString(container.list_entry()).containers[0]
    assert 0 < pod.created_at < 2**63
    assert 0 < shown.created_at < 2**63


def test_a_spec_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    """They are read as Go reads them, and the container stays usable."""
    record = containers_pb2.Container(
        id=ID, extensions={CONTAINER_EXTENSION: Any(value=b'{"Version": "v1", "Metadata": {"Name": "n"}}')}
    )
    record.spec.value = b'{"process": {"user": {"uid": 7}, "env": ["A=\xff"]}}'
    container = load_container(record, Paths(tmp_path, tmp_path))
    assert (container.name, container.user.linux.uid) == ("n", 7)
