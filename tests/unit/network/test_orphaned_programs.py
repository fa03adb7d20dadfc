"""Programs that a killed daemon has left at work: found by their sandbox, waited for, ended when their time is over."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from cri_shim.network.orphaned_programs import OrphanedPrograms

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "c0ffee" * 10 + "0001"


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """A program that works on a sandbox until its input ends."""
    environment = {"PATH": "/usr/bin:/bin", "CNI_COMMAND": "ADD", "CNI_CONTAINERID": ID}
    with subprocess.Popen(["cat"], env=environment, stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


async def test_it_is_waited_for(program):
    """Who takes its sandbox off the network begins when it has ended, and who takes another off does not wait."""
    programs = OrphanedPrograms()
    programs.set_limit(100)
    programs.scan()
    await programs.ended("another")
    waiting = asyncio.create_task(programs.ended(ID))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    program.stdin.close()
    await waiting
    assert program.wait(100) == 0
    await programs.ended(ID)


async def test_it_is_ended_when_its_time_is_over(program):
    """Its own daemon would have killed it by then."""
    programs = OrphanedPrograms()
    programs.set_limit(0.1)
    programs.scan()
    await programs.ended(ID)
    assert program.wait(100) == -9


async def test_it_runs_on_when_the_daemon_stops(program):
    """To forget it is not to end it."""
    programs = OrphanedPrograms()
    programs.scan()
    programs.close()
    await programs.ended(ID)
    assert program.poll() is None
