"""Container logs are rotated by other programs than the kubelet, in the ways of logrotate(8)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from lab.log_file import read_log
from lab.pod_configs import sh
from lab.pods import Container, Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lab.lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="session")]

SAYS_WHAT_IT_IS_GIVEN = sh("mkfifo /in; exec 3<>/in; while read -r line <&3; do echo $line; done")


@pytest_asyncio.fixture(loop_scope="session")
async def talker(lab: Lab, tmp_path: Path) -> AsyncIterator[Container]:
    """A container that has said "first"."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, log_directory=tmp_path)
    container = await pod.start(command=SAYS_WHAT_IT_IS_GIVEN)
    await say(container, "first")
    await container.logged("first")
    yield container
    await pod.remove()


async def say(container: Container, word: str) -> None:
    """Have the container write a line."""
    answer = await container.execute("sh", "-c", f"until [ -p /in ]; do :; done; echo {word} > /in")
    assert answer.exit_code == 0


async def test_copytruncate(talker: Container) -> None:
    """After the file was cut to nothing, entries begin at its beginning: no hole of zeros, no half entry."""
    kept = talker.log.with_suffix(".1")
    shutil.copyfile(talker.log, kept)
    with talker.log.open("r+b") as file:
        file.truncate(0)
    await say(talker, "second")
    await talker.logged("second")
    assert b"\0" not in talker.log.read_bytes()
    assert [entry.content for entry in read_log(talker.log)] == [b"second"]
    assert [entry.content for entry in read_log(kept)] == [b"first"]


@pytest.mark.parametrize("deleted", [False, True])
async def test_moved_or_deleted(deleted: bool, talker: Container) -> None:
    """The next entries go where the open file is, as with any program; ReopenContainerLog makes a new one."""
    talker.log.unlink() if deleted else talker.log.rename(talker.log.with_suffix(".1"))
    await say(talker, "lost")
    await talker.client.ReopenContainerLog(container_id=talker.id)
    await say(talker, "third")
    await talker.logged("third")
    assert b"first" not in talker.log.read_bytes()
    moved = talker.log.with_suffix(".1")
    if moved.exists():
        assert [entry.content for entry in read_log(moved)][:1] == [b"first"]
