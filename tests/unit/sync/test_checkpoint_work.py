"""The work directory of a checkpoint, and what is undone when one was cut off."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.sync import checkpoint_work
from cri_shim.sync.checkpoint_work import end_cut_off, make_work, note_unfinished, remove_work, resume
from lab.pod_configs import pod_config
from tests.fakes.containerd import FaultKind
from tests.fakes.service import until_idle

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client


@pytest.fixture
async def pod(service: Service, client: Client) -> str:
    """Something with a task that runs."""
    pod_id: str = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
    await until_idle(service)
    return pod_id


@pytest.fixture
def work(service: Service, pod: str) -> Path:
    """The work directory of a checkpoint in hand."""
    return make_work(service.paths, pod)


@pytest.fixture
def cut_off(work: Path) -> Path:
    """What an earlier daemon has left."""
    return work.rename(work.with_name("checkpoint-of-another-process"))


def pause(fake: FakeContainerd, id_: str) -> None:
    """Have the container stand still."""
    fake.task(id_).status = task_types.PAUSED


def test_it_is_for_root_alone(work: Path) -> None:
    """What is in a container's memory is not for others to read."""
    assert work.stat().st_mode & 0o777 == 0o700
    assert (work / "archive/checkpoint").is_dir()


def test_removal(work: Path, tmp_path: Path) -> None:
    """The unfinished file elsewhere goes with it; removing it again is fine, and so is a file that has gone."""
    unfinished = tmp_path / ".a.tar.1.tmp"
    note_unfinished(work, unfinished)
    unfinished.touch()
    remove_work(work)
    assert not unfinished.exists()
    assert not work.exists()
    remove_work(work)


def test_removal_with_an_empty_note(work: Path) -> None:
    """An earlier version left one on a full disk: the file was not made, and the mark must not stay for ever."""
    (work / "unfinished").touch()
    remove_work(work)
    assert not work.exists()


@pytest.mark.parametrize("note", [b"", b"\0" * 40, b"\xff", b"relative", b"/gone/with/\xff", b"/a\0b"])
async def test_a_note_that_a_power_failure_has_damaged(service: Service, pod: str, cut_off: Path, note: bytes) -> None:
    """It names nothing to remove, and the rest is undone."""
    (cut_off / "unfinished").write_bytes(note)
    await end_cut_off(service.containerd, service.paths, pod, paused=False)
    assert not cut_off.exists()


async def test_a_directory_that_cannot_be_read(
    service: Service, pod: str, cut_off: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there is a mark is not known: the log says so, and the mark stays."""

    def refuse(path: Path) -> list[Path]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(checkpoint_work, "entries_of", refuse)
    with capture_logs() as logs:
        await end_cut_off(service.containerd, service.paths, pod, paused=True)
    (line,) = (line for line in logs if line["event"] == "checkpoint.cut_off_stays")
    assert line["error"].startswith(f"{cut_off.parent}: too many open files; ")
    assert cut_off.exists()


def test_a_file_that_cannot_be_removed_is_named_with_its_path(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name alone would not say of which container it is."""

    def refuse(name: str, *_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), name)

    (work / "archive/spec.dump").touch()
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match="Input/output error") as refused:
        remove_work(work)
    assert refused.value.filename == str(work / "archive/spec.dump")


@pytest.mark.parametrize("paused", [True, False])
async def test_a_checkpoint_that_was_cut_off(
    service: Service, fake: FakeContainerd, pod: str, cut_off: Path, *, paused: bool
) -> None:
    """The container runs on, and nothing of the checkpoint is left."""
    if paused:
        pause(fake, pod)
    with capture_logs() as logs:
        await end_cut_off(service.containerd, service.paths, pod, paused=paused)
    assert fake.task(pod).status != task_types.PAUSED
    assert not cut_off.exists()
    assert [(one["event"], one["resumed"]) for one in logs] == [("checkpoint.cut_off_undone", paused)]


async def test_a_checkpoint_in_hand(service: Service, fake: FakeContainerd, pod: str, work: Path) -> None:
    """This process's own is left alone: recovery may run while it is written."""
    pause(fake, pod)
    await end_cut_off(service.containerd, service.paths, pod, paused=True)
    assert work.exists()
    assert fake.task(pod).status == task_types.PAUSED


async def test_a_container_without_a_directory(service: Service) -> None:
    """There is nothing to undo."""
    await end_cut_off(service.containerd, service.paths, "none", paused=True)


async def test_containerd_that_cannot_resume(service: Service, fake: FakeContainerd, pod: str, cut_off: Path) -> None:
    """The mark stays, so that the next recovery tries again."""
    pause(fake, pod)
    fake.faults.add("Tasks/Resume", FaultKind.UNKNOWN, text="frozen solid")
    with capture_logs() as logs:
        await end_cut_off(service.containerd, service.paths, pod, paused=True)
    assert cut_off.exists()
    assert [one["event"] for one in logs] == ["checkpoint.cut_off_stays"]
    assert "frozen solid" in logs[0]["error"]
    await end_cut_off(service.containerd, service.paths, pod, paused=True)
    assert not cut_off.exists()
    assert fake.task(pod).status != task_types.PAUSED


async def test_a_directory_that_cannot_be_removed(service: Service, pod: str, cut_off: Path, tmp_path: Path) -> None:
    """The mark stays, too."""
    place = tmp_path / "a directory"
    place.mkdir()
    note_unfinished(cut_off, place)
    with capture_logs() as logs:
        await end_cut_off(service.containerd, service.paths, pod, paused=False)
    assert cut_off.exists()
    assert [one["event"] for one in logs] == ["checkpoint.cut_off_stays"]


async def test_resuming_what_does_not_stand_still(service: Service, fake: FakeContainerd, pod: str) -> None:
    """A container that runs, and one that has gone, need no call."""
    await resume(service.containerd, pod)
    await resume(service.containerd, "none")
    assert not fake.called("Tasks/Resume")
