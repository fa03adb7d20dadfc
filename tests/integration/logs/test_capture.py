"""Collecting the output of an exec from real FIFOs with real writers."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from cri_shim.logs.capture import Capture
from cri_shim.logs.fifo import FifoSet

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fifos(tmp_path: Path) -> FifoSet:
    """The FIFOs of one exec."""
    return FifoSet.create(str(tmp_path / "io"), "exec", stdin=False, tty=False)


async def shell(command: str, fifos: FifoSet) -> asyncio.subprocess.Process:
    """Run a command whose output goes into the FIFOs."""
    return await asyncio.create_subprocess_shell(f"exec >{fifos.stdout} 2>{fifos.stderr}; {command}")


async def test_both_streams_are_collected_to_their_end(fifos: FifoSet) -> None:
    """Binary output of both streams is complete once drained."""
    capture = Capture(*fifos.open_readers())
    process = await shell("head -c 300000 /dev/zero; printf 'to stderr' >&2", fifos)
    assert await capture.drained(10)
    assert capture.stdout == bytes(300_000)
    assert capture.stderr == b"to stderr"
    assert not capture.truncated
    assert await process.wait() == 0


async def test_no_end_is_seen_before_the_writer_has_come(fifos: FifoSet) -> None:
    """FIFOs that no process has opened for writing yet are not drained."""
    capture = Capture(*fifos.open_readers())
    assert not await capture.drained(0.1)
    process = await shell("echo late", fifos)
    assert await capture.drained(10)
    assert capture.stdout == b"late\n"
    await process.wait()


async def test_what_exceeds_the_limit_is_dropped_but_read(fifos: FifoSet) -> None:
    """A command that prints without end of memory finishes, and the first bytes are kept."""
    capture = Capture(*fifos.open_readers(), limit=1000)
    process = await shell("seq 1000000; echo short >&2", fifos)
    assert await capture.drained(30)
    assert await process.wait() == 0
    assert capture.stdout == "".join(f"{number}\n" for number in range(1, 400)).encode()[:1000]
    assert capture.stderr == b"short\n"
    assert capture.truncated


async def test_a_background_child_that_holds_the_stream_runs_into_the_timeout(fifos: FifoSet) -> None:
    """drained gives up in time and says so; what came is there; close frees the descriptors."""
    before = len(os.listdir("/proc/self/fd"))
    capture = Capture(*fifos.open_readers())
    process = await shell("echo parent; sleep 3 & exit 0", fifos)
    assert await process.wait() == 0
    begun = time.monotonic()
    assert not await capture.drained(0.2)
    assert 0.15 < time.monotonic() - begun < 1
    assert capture.stdout == b"parent\n"
    capture.close()
    capture.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert capture.stdout == b"parent\n"


async def test_a_flood_leaves_the_loop_usable(fifos: FifoSet) -> None:
    """While an exec prints at full speed other callbacks run every few milliseconds."""
    capture = Capture(*fifos.open_readers())
    process = await shell("exec yes", fifos)
    while not capture.stdout:
        await asyncio.sleep(0.01)
    worst = 0.0
    until = time.perf_counter() + 0.5
    while (begun := time.perf_counter()) < until:
        await asyncio.sleep(0)
        worst = max(worst, time.perf_counter() - begun)
    process.kill()
    await process.wait()
    assert await capture.drained(10)
    assert worst < 0.1
    assert len(capture.stdout) > 1024 * 1024
