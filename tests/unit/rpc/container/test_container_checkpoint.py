"""CheckpointContainer: the archive, the pause around it, and what is left when a step fails."""

from __future__ import annotations

import asyncio
import tarfile
from typing import TYPE_CHECKING, cast

import grpc
import pytest

from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.rpc import container_checkpoint
from cri_shim.sync import checkpoint_work
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from containerd_client.api.containerd.services.snapshots.v1.snapshots_pb2 import ViewSnapshotRequest
    from tests.unit.fake_node import Node

pytestmark = pytest.mark.usefixtures("criu")
ORDER = [
    "Tasks/Pause",
    "Tasks/Checkpoint",
    "Snapshots/View",
    "Diff/Diff",
    "Snapshots/Remove",
    "Tasks/Resume",
]


async def test_an_archive(node: Node) -> None:
    """The container stands still while memory and files are written, and runs on before the archive is packed."""
    id_ = await node.running()
    before = node.there()
    seen = len(node.fake.calls)
    await node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar"))
    assert [call.method for call in node.fake.calls[seen:] if call.method in ORDER] == ORDER
    assert (node.directory / "c.tar").stat().st_mode & 0o777 == 0o600
    with tarfile.open(node.directory / "c.tar") as archive:
        names = set(archive.getnames())
    assert names >= {"config.dump", "spec.dump", "status.dump", "status", "checkpoint", "rootfs-diff.tar"}
    node.fake.collect_garbage()
    assert not node.changed(before)
    assert node.service.containers.get(id_).running


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("Containers/Get", "UNKNOWN"),
        ("Tasks/Pause", "UNKNOWN"),
        ("Tasks/Checkpoint", "INTERNAL"),
        ("Leases/Create", "UNKNOWN"),
        ("Snapshots/View", "UNKNOWN"),
        ("Diff/Diff", "UNKNOWN"),
    ],
)
async def test_a_step_that_fails(method: str, code: str, node: Node) -> None:
    """There is no archive and nothing else is left; the container runs on and can be checkpointed again."""
    id_ = await node.running()
    before = node.there()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="the disk is on fire")
    location = node.directory / "c.tar"
    status, text = await failure(node.client.CheckpointContainer(container_id=id_, location=str(location)))
    assert (status.name, "the disk is on fire" in text) == (code, True), text
    assert not list(node.directory.glob("*.tar*"))
    node.fake.collect_garbage()
    assert not node.changed(before)
    await node.client.CheckpointContainer(container_id=id_, location=str(location))
    assert location.exists()


async def test_what_criu_complains_of(node: Node) -> None:
    """Its first error is in the answer, because it says more than the runtime does."""
    id_ = await node.running()
    node.fake.faults.add("Tasks/Checkpoint", FaultKind.HANG)
    writing = asyncio.create_task(
        failure(node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar")))
    )
    await until(lambda: node.fake.faults.hanging)
    (archive,) = node.service.paths.container_root(id_).glob("checkpoint-*/archive")
    (archive / "dump.log").write_text("(00.1) fine\n(00.2) Error: cannot dump a socket\n")
    node.fake.task(id_).init.status = task_types.CREATED  # which no runtime checkpoints
    node.fake.faults.clear()
    code, text = await writing
    assert code == grpc.StatusCode.INTERNAL
    assert text.endswith("; criu: (00.2) Error: cannot dump a socket")


async def test_a_container_that_ends_meanwhile(node: Node) -> None:
    """The client is told that there is nothing to checkpoint."""
    id_ = await node.running()
    node.fake.faults.add("Tasks/Checkpoint", FaultKind.HANG)
    writing = asyncio.create_task(
        failure(node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar")))
    )
    await until(lambda: node.fake.faults.hanging)
    del node.fake.state["k8s.io"].tasks[id_]
    node.fake.faults.clear()
    code, text = await writing
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"container {id_} has ended; there is nothing to checkpoint"


async def test_containerd_that_goes_away(node: Node) -> None:
    """A connection that breaks says nothing about criu, so the client may ask again."""
    id_ = await node.running()
    node.fake.faults.add("Tasks/Checkpoint", FaultKind.UNAVAILABLE)
    code, _ = await failure(node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar")))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert node.fake.task(id_).status != task_types.PAUSED


@pytest.mark.parametrize("method", ["Tasks/Get", "Tasks/Resume"])
@pytest.mark.parametrize("kind", [FaultKind.UNKNOWN, FaultKind.HANG])
async def test_a_container_that_is_not_resumed(
    kind: FaultKind, method: str, monkeypatch: pytest.MonkeyPatch, node: Node
) -> None:
    """No archive is written, because a client that finds one relies on the container to run on.

    The container is resumed as soon as containerd does so, while the connection lives all the time.
    """
    monkeypatch.setattr(container_checkpoint, "RESUME_SECONDS", 0.05)
    monkeypatch.setattr(checkpoint_work, "RESUME_SECONDS", 0.05)
    monkeypatch.setattr(checkpoint_work, "RESUMED_AGAIN", (0.01,))
    id_ = await node.running()
    before = node.there()
    fault = node.fake.faults.add(method, kind, times=4 if kind is FaultKind.HANG else 3)
    code, text = await failure(
        node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar"))
    )
    assert code == grpc.StatusCode.UNAVAILABLE
    assert text.startswith(f"container {id_} may still be paused after its checkpoint, which was not written; ")
    assert node.fake.task(id_).status == task_types.PAUSED
    assert not list(node.directory.glob("*.tar*"))
    await node.until_idle()
    assert fault.struck >= 3
    assert node.fake.task(id_).status != task_types.PAUSED
    node.fake.faults.clear()
    node.fake.collect_garbage()
    assert not node.changed(before)


async def test_a_checkpoint_before_the_container_was_resumed(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """It has a work directory of its own and resumes the container; the attempts to resume it wait meanwhile."""
    monkeypatch.setattr(checkpoint_work, "RESUMED_AGAIN", (0.01,))
    id_ = await node.running()
    before = node.there()
    node.fake.faults.add("Tasks/Resume", FaultKind.UNKNOWN)
    location = str(node.directory / "c.tar")
    await failure(node.client.CheckpointContainer(container_id=id_, location=location))
    assert len(list(node.service.paths.container_root(id_).glob("checkpoint-*"))) == 1
    node.fake.task(id_).status = task_types.UNKNOWN  # another one has resumed it
    seen = len(node.fake.calls)
    await node.client.CheckpointContainer(container_id=id_, location=location)
    await node.until_idle()
    assert node.hops("Tasks/Pause", "Tasks/Checkpoint", "Tasks/Resume", since=seen) == [
        "Tasks/Pause",
        "Tasks/Checkpoint",
        "Tasks/Resume",
    ]
    (node.directory / "c.tar").unlink()
    node.fake.collect_garbage()
    assert not node.changed(before)


async def test_a_view_that_stays(node: Node) -> None:
    """The next checkpoint uses another name for its view, so that it need not wait until the lease has ended."""
    id_ = await node.running()
    node.fake.faults.add("Snapshots/Remove", FaultKind.UNKNOWN)
    location = str(node.directory / "c.tar")
    code, _ = await failure(node.client.CheckpointContainer(container_id=id_, location=location))
    assert code == grpc.StatusCode.UNKNOWN
    await node.client.CheckpointContainer(container_id=id_, location=location)
    views = [cast("ViewSnapshotRequest", call.request).key for call in node.fake.called("Snapshots/View")]
    assert len({key for key in views if "checkpoint" in key}) == 2


async def test_a_time_limit(node: Node) -> None:
    """The client is answered when its time is over; criu is not cut short, and what it wrote is thrown away."""
    id_ = await node.running()
    before = node.there()
    node.fake.faults.add("Tasks/Checkpoint", FaultKind.HANG)
    code, text = await failure(
        node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar"), timeout=1)
    )
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert text == f"checkpoint of container {id_} was not finished within 1 s; nothing was written"
    assert node.fake.faults.hanging
    node.fake.faults.clear()
    await node.until_idle()
    node.fake.collect_garbage()
    assert not list(node.directory.glob("*.tar*"))
    assert not node.changed(before)


async def test_an_archive_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """The sentence names the container and the file, and the container runs on."""
    id_ = await node.running()

    def write_archive(*_: object) -> None:
        raise OSError(28, "No space left on device", str(node.directory / "c.tar"))

    monkeypatch.setattr(container_checkpoint, "write_archive", write_archive)
    code, text = await failure(
        node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar"))
    )
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert text.startswith(f"checkpoint of container {id_} cannot be written to {node.directory / 'c.tar'}: ")
    assert node.service.containers.get(id_).running


async def test_a_time_limit_that_ends_while_the_archive_is_packed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is answered as if it had ended before, because there is no archive in either case."""
    id_ = await node.running()

    def write_archive(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(container_checkpoint, "write_archive", write_archive)
    location = str(node.directory / "c.tar")
    code, _ = await failure(node.client.CheckpointContainer(container_id=id_, location=location, timeout=60))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert node.service.containers.get(id_).running


async def test_a_work_directory_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """The container is not paused for nothing."""
    id_ = await node.running()

    def make_work(*_: object) -> Path:
        raise OSError(28, "No space left on device", str(node.directory))

    monkeypatch.setattr(container_checkpoint, "make_work", make_work)
    _, text = await failure(node.client.CheckpointContainer(container_id=id_, location=str(node.directory / "c.tar")))
    assert text.startswith(f"checkpoint of container {id_} cannot be started: ")
