"""What ExecSync leaves in containerd when the end of a command goes wrong: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.rpc import container_execsync
from cri_shim.streaming import exec_process
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.crash_matrix.kubelet import Kubelet
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

IMAGE = "registry.test/app:1"
ECHO = ("sh", "-c", "echo fine")


@pytest.fixture
async def container(fake: FakeContainerd, client: Client, tmp_path: Path) -> str:
    """A container that runs."""
    fake.add_image(IMAGE)
    return (await Kubelet(client, IMAGE, tmp_path / "logs").running_container())[2]


def commands(service: Service, fake: FakeContainerd, container_id: str) -> list[str]:
    """What is left of commands, in containerd and on the disk."""
    directories = service.paths.container_state(container_id).glob("exec-*")
    return [*fake.task(container_id).execs, *(directory.name for directory in directories)]


async def test_a_command_that_cannot_be_deleted_at_once(
    service: Service, fake: FakeContainerd, client: Client, container: str
) -> None:
    """Its process has ended, so there is nothing to kill, and the second attempt deletes it."""
    fake.faults.add("Tasks/DeleteProcess", FaultKind.UNKNOWN)
    await client.ExecSync(container_id=container, cmd=ECHO)
    await until(lambda: len(fake.called("Tasks/DeleteProcess")) > 1 and not len(service.operations))
    assert not commands(service, fake, container)


async def test_a_containerd_that_goes_before_the_command_is_deleted(
    service: Service, fake: FakeContainerd, client: Client, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal is repeated until containerd is back; until then the next daemon could find the command."""
    monkeypatch.setattr(exec_process, "REMOVED_AGAIN", (0.05,))
    fake.faults.add("Tasks/DeleteProcess", FaultKind.GONE)
    assert (await client.ExecSync(container_id=container, cmd=ECHO)).exit_code == 0
    await until(lambda: not service.readiness.ready)
    (left,) = fake.task(container).execs
    assert (service.paths.container_state(container) / f"exec-{left}").is_dir()
    await fake.come_back()
    await until(lambda: not commands(service, fake, container))


async def test_a_command_that_ends_when_its_time_does(
    fake: FakeContainerd, client: Client, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be killed any more, and the client is told of the time limit all the same."""
    monkeypatch.setattr(container_execsync, "AFTER_KILL", 0.05)
    fake.faults.add("Tasks/Wait", FaultKind.HANG)
    code, text = await failure(client.ExecSync(container_id=container, cmd=ECHO, timeout=1))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "timed out" in text


async def test_a_shutdown_does_not_wait_for_a_removal_that_is_repeated(
    service: Service, fake: FakeContainerd, client: Client, container: str
) -> None:
    """It is the next daemon's to end the command, by the FIFOs that are still there."""
    fake.faults.add("Tasks/DeleteProcess", FaultKind.UNKNOWN, times=None)
    await client.ExecSync(container_id=container, cmd=ECHO)
    await until(lambda: len(fake.called("Tasks/DeleteProcess")) == 2 and len(service.operations) == 1)
    await service.operations.drain(grace=60, undo=60)
    assert not len(service.operations)
    assert commands(service, fake, container)
