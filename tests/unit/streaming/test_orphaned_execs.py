"""Which FIFOs of an earlier daemon's commands are opened, and how the commands are ended."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from containerd_client import FailedPrecondition, NotFound
from cri_shim.streaming import orphaned_execs
from cri_shim.streaming.orphaned_execs import end_orphaned, open_orphaned

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DELETE = "containerd.services.tasks.v1.Tasks/DeleteProcess"


def command(state: Path, container: str, exec_id: str) -> Path:
    """The directory of a command with one FIFO, beside the container's own."""
    directory = state / container / f"exec-{exec_id}"
    directory.mkdir(parents=True)
    os.mkfifo(directory / f"{exec_id}-stdout")
    return directory


def test_what_is_opened(tmp_path: Path) -> None:
    """FIFOs of commands, which a writer then finds open; no file, link or FIFO of the container itself."""
    directory = command(tmp_path, "c", "1")
    os.mkfifo(tmp_path / "c" / "c-stdout")
    (directory / "file").touch()
    (directory / "link").symlink_to("1-stdout")
    [orphaned] = open_orphaned(tmp_path)
    try:
        assert (orphaned.container_id, orphaned.exec_id, len(orphaned.held)) == ("c", "1", 1)
        os.close(os.open(directory / "1-stdout", os.O_WRONLY | os.O_NONBLOCK))  # ENXIO without a reader
    finally:
        for fd in orphaned.held:
            os.close(fd)
    assert open_orphaned(tmp_path / "nothing") == []


async def test_how_they_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and deleted, again while it still runs; one that is not known any more is fine.

    The files go, except those of one that stays: by them the next daemon finds it.
    """
    monkeypatch.setattr(orphaned_execs, "_PAUSES", (0.0, 0.0))
    directories = [command(tmp_path, "c", name) for name in ("stays", "unknown")]
    asked: list[tuple[str, str]] = []

    async def kill(_id: str, _signal: int, *, exec_id: str) -> None:
        asked.append(("kill", exec_id))
        raise NotFound(DELETE, "process not found")

    async def delete_process(_id: str, exec_id: str) -> None:
        asked.append(("delete", exec_id))
        raise FailedPrecondition(DELETE, "runs") if exec_id == "stays" else NotFound(DELETE, "unknown")

    client = SimpleNamespace(tasks=SimpleNamespace(kill=kill, delete_process=delete_process))
    execs = open_orphaned(tmp_path)
    await end_orphaned(cast("Any", client), execs)
    assert asked.count(("delete", "stays")) == 2
    assert asked.count(("delete", "unknown")) == 1
    assert [directory.exists() for directory in directories] == [True, False]
