"""The stored form is the one containerd's CRI plugin reads and writes."""

from __future__ import annotations

import json
import os

import pytest

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import read_status, write_status
from cri_shim.state.containers import Container, Status
from cri_shim.state.sandboxes import PinnedNamespaces, Sandbox
from cri_shim.state.stored.go_json import from_go_json, to_go_json
from cri_shim.state.stored.metadata import (
    CONTAINER_EXTENSION,
    PINNED_EXTENSION,
    SANDBOX_EXTENSION,
    container_extension,
    pinned_extension,
    read_container,
    read_pinned,
    read_sandbox,
    sandbox_extension,
)

CONFIG = cri.PodSandboxConfig(
    metadata=cri.PodSandboxMetadata(name="web", namespace="default", uid="u1", attempt=2),
    hostname="web-0",
    port_mappings=[cri.PortMapping(protocol=cri.UDP, container_port=53, host_port=5353)],
    labels={"app": "web"},
    linux=cri.LinuxPodSandboxConfig(
        cgroup_parent="/kubepods",
        security_context=cri.LinuxSandboxSecurityContext(
            run_as_user=cri.Int64Value(value=0),
            namespace_options=cri.NamespaceOption(pid=cri.CONTAINER),
        ),
    ),
)


def test_go_json_has_numbers_and_leaves_out_what_is_empty():
    """Enums and integers are numbers, names are those of the .proto, empty fields are absent."""
    assert to_go_json(CONFIG) == {
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", "attempt": 2},
        "hostname": "web-0",
        "port_mappings": [{"protocol": 1, "container_port": 53, "host_port": 5353}],
        "labels": {"app": "web"},
        "linux": {
            "cgroup_parent": "/kubepods",
            "security_context": {"namespace_options": {"pid": 1}, "run_as_user": {}},
        },
    }


def test_go_json_is_read_back():
    """What was written is read as the same message; a set but empty message stays set."""
    assert from_go_json(json.loads(json.dumps(to_go_json(CONFIG))), cri.PodSandboxConfig()) == CONFIG


def test_fields_of_another_cri_version_are_passed_over():
    """A record of a newer or older plugin can be read; null is the same as absent."""
    stored = {"hostname": "h", "field_of_tomorrow": {"a": 1}, "labels": None, "port_mappings": [None]}
    assert from_go_json(stored, cri.PodSandboxConfig()) == cri.PodSandboxConfig(hostname="h")


def test_sandbox_metadata_round_trip():
    """A sandbox's record tells everything that a restart needs."""
    sandbox = Sandbox(
        id="a" * 64,
        name="web_default_u1_2",
        config=CONFIG,
        created_at=7,
        runtime_handler="runc",
        netns_path="/var/run/netns/cni-1",
        ips=("10.0.0.2", "fd00::2"),
        cni_result={"Interfaces": {}},
    )
    value = sandbox_extension(sandbox)
    assert value.type_url == "github.com/containerd/cri/pkg/store/sandbox/Metadata"
    document = json.loads(value.value)
    assert document["Version"] == "v1"
    assert document["Metadata"]["IP"] == "10.0.0.2"
    assert document["Metadata"]["AdditionalIPs"] == ["fd00::2"]
    record = containers_pb2.Container(id=sandbox.id)
    record.extensions[SANDBOX_EXTENSION].CopyFrom(value)
    read = read_sandbox(record)
    assert (read.name, read.ips, read.netns_path) == (sandbox.name, sandbox.ips, sandbox.netns_path)
    assert read.config == CONFIG
    assert read.cni_result == {"Interfaces": {}}


def test_container_metadata_round_trip():
    """A container's record tells its pod, image, log and stop signal."""
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="c", attempt=1), command=["sh"])
    container = Container(
        id="b" * 64,
        name="c_web_default_u1_1",
        sandbox_id="a" * 64,
        config=config,
        status=Status(),
        image_id="sha256:1",
        log_path="/var/log/pods/c/0.log",
        stop_signal="SIGUSR1",
    )
    record = containers_pb2.Container(id=container.id)
    record.extensions[CONTAINER_EXTENSION].CopyFrom(container_extension(container))
    read = read_container(record)
    assert read.config == config
    assert (read.sandbox_id, read.image_id, read.log_path, read.stop_signal) == (
        container.sandbox_id,
        "sha256:1",
        "/var/log/pods/c/0.log",
        "SIGUSR1",
    )


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b'{"Version":"v2","Metadata":{"Name":"x"}}',
        b'{"Version":"v1","Metadata":{}}',
        b'{"Version":"v1"}',
    ],
)
def test_a_damaged_extension_is_an_error_that_names_the_record(value):
    """Nothing that lies in containerd raises anything but ValueError."""
    record = containers_pb2.Container(id="c0ffee")
    record.extensions[SANDBOX_EXTENSION].value = value
    with pytest.raises(ValueError, match="c0ffee"):
        read_sandbox(record)


def test_status_file_round_trip(tmp_path):
    """The checkpoint is read as it was written, resources included."""
    status = Status(
        created_at=1,
        started_at=2,
        finished_at=3,
        pid=4,
        exit_code=137,
        reason="OOMKilled",
        message="m",
        resources=cri.ContainerResources(linux=cri.LinuxContainerResources(cpu_shares=512)),
    )
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    assert (tmp_path / "status").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["status"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Version":"v9"}', '{"Version":"v1","Pid":"x"}'])
def test_a_damaged_status_file_is_an_error_that_names_it(tmp_path, text):
    """A cut or foreign file never raises anything but ValueError."""
    (tmp_path / "status").write_text(text)
    with pytest.raises(ValueError, match=str(tmp_path / "status")):
        read_status(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_status_file(tmp_path, make):
    """It is damaged for good, and is not waited for."""
    make(tmp_path / "status")
    with pytest.raises(ValueError, match=str(tmp_path / "status")):
        read_status(tmp_path)


def test_a_pod_without_a_process_is_marked_by_an_extension():
    """Its places are read back as they were written; a record without the extension is of a pod with a process."""
    record = containers_pb2.Container(id="s1")
    assert read_pinned(record) is None
    record.extensions[PINNED_EXTENSION].CopyFrom(pinned_extension(PinnedNamespaces("/run/uts", "")))
    assert read_pinned(record) == PinnedNamespaces("/run/uts", "")
    record.extensions[PINNED_EXTENSION].value = b"{"
    with pytest.raises(ValueError, match="s1 is not readable"):
        read_pinned(record)
