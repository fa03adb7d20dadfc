"""Records of pods and containers as containerd stores them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage
from structlog.testing import capture_logs

from containerd_client.api.containerd.runc.v1 import runc_pb2
from cri_shim.config.schema import RuncOptions, RuntimeHandler
from cri_shim.lifecycle.records import labels_of, make_record, new_id
from cri_shim.oci.labels import CONTAINER

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1 import containers_pb2


def record(handler: RuntimeHandler, snapshotter: str = "overlayfs", **more: Any) -> containers_pb2.Container:
    """A record under a handler."""
    return make_record(
        "c1",
        handler=handler,
        snapshotter=snapshotter,
        image="a",
        spec={},
        labels={},
        extension=("e", AnyMessage(value=b"1")),
        **more,
    )


def test_an_id() -> None:
    """It is what cAdvisor expects of a cgroup's name, and new each time."""
    assert len(new_id()) == 64
    assert new_id() != new_id()


def test_the_runtime() -> None:
    """The handler's options win over the owner of a pod with mapped ids; another shim gets no options."""
    plain = record(RuntimeHandler(), io_owner=(100_000, 100_001))
    options = runc_pb2.Options.FromString(plain.runtime.options.value)
    assert (plain.runtime.name, options.io_uid, options.io_gid) == ("io.containerd.runc.v2", 100_000, 100_001)
    own = record(RuntimeHandler(options=RuncOptions(io_uid=5)), io_owner=(100_000, 100_001))
    assert runc_pb2.Options.FromString(own.runtime.options.value).io_uid == 5
    kata = record(RuntimeHandler(runtime_type="io.containerd.kata.v2", runtime_path="/opt/kata"))
    assert kata.runtime.name == "/opt/kata"
    assert not kata.runtime.HasField("options")


def test_the_snapshot() -> None:
    """Its key is the record's id; a record without a snapshotter refers to none."""
    assert record(RuntimeHandler()).snapshot_key == "c1"
    assert not record(RuntimeHandler(), snapshotter="").snapshot_key


def test_labels_that_containerd_does_not_take() -> None:
    """They are left out and logged; the container is made all the same."""
    image: Any = SimpleNamespace(id="sha256:1", config=SimpleNamespace(labels={"long": "x" * 5000, "short": "1"}))
    with capture_logs() as logs:
        labels = labels_of("c1", {"asked": "2"}, image, CONTAINER)
    assert (labels["short"], labels["asked"]) == ("1", "2")
    assert "long" not in labels
    assert [one["event"] for one in logs] == ["image.labels_left_out"]
