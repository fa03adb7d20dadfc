"""SIGKILL in the middle, a full disk: what the pump promises when things go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cri_shim.logs.source import CHUNK

from .conftest import entries, text

KILLS = 6
VICTIM = Path(__file__).with_name("pump_process.py")


def rewinds(numbers: list[int], count: int) -> list[int]:
    """How many numbers each step back repeats; raises if one is missing."""
    steps = []
    wanted = 0
    for number in numbers:
        assert number <= wanted, f"{wanted} is missing, {number} came instead"
        if number < wanted:
            steps.append(wanted - number)
        wanted = number + 1
    assert wanted == count
    return steps


def test_killed_at_any_moment_nothing_is_lost_and_little_is_repeated(container, tmp_path) -> None:
    """Six SIGKILLs under full load: every number is in the log, in order; each kill repeats at most one chunk."""
    shim, fds = container()
    for fd in fds:
        os.close(fd)
    log = tmp_path / "0.log"
    going = True
    written = [0, 0]

    def short_lines():
        # Writes that end anywhere in a line, so that each kill finds an unfinished one.
        rest = b""
        while going:
            first = written[0]
            data = rest + b"".join(b"%d\n" % n for n in range(first, first + 200))
            written[0] += 200
            yield data[:-3]
            rest = data[-3:]
            time.sleep(0.0005)
        yield rest

    def long_lines():
        # 2500 blocks of 16 bytes make a line; it is cut after 1024 of them, so entries hold whole blocks.
        while going:
            first = written[1]
            yield b"".join(b"%015d|" % n for n in range(first, first + 2500)) + b"\n"
            written[1] += 2500
            time.sleep(0.001)

    threads = [shim.write_in_background(short_lines(), 0), shim.write_in_background(long_lines(), 1)]
    command = [sys.executable, str(VICTIM), str(log), shim.fifos.stdout, shim.fifos.stderr]
    for kill in range(KILLS + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as victim:
            assert victim.stdout
            assert victim.stdout.readline() == b"ready\n"
            if kill < KILLS:
                time.sleep(0.1 + 0.037 * kill)
                victim.send_signal(signal.SIGKILL)
                assert victim.wait() == -signal.SIGKILL
                continue
            time.sleep(0.1)
            going = False
            for thread in threads:
                thread.join(20)
                assert not thread.is_alive()
            shim.close()
            assert victim.stdout.readline() == b"drained\n"
            assert victim.wait(10) == 0
    data = log.read_bytes()
    short = rewinds([int(content) for _, content in entries(data)], written[0])
    assert written[0] > 10_000
    assert len(short) <= KILLS
    assert all(step <= CHUNK // 2 for step in short)
    blocks = text(data, b"stderr").replace(b"\n", b"").split(b"|")
    assert blocks.pop() == b""
    long = rewinds([int(block) for block in blocks], written[1])
    assert written[1] > 10_000
    assert len(long) <= KILLS
    assert all(step <= CHUNK // 16 for step in long)
    print(f"{written} numbers, repeated after {KILLS} kills: {short} lines, {long} blocks")


@pytest.mark.root
async def test_a_full_disk_blocks_no_container_and_keeps_whole_lines(pump, container, tmp_path) -> None:
    """On a tmpfs of 64 KiB: the writer never waits, the log ends with a whole entry, one report, later lines arrive."""
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "filler").write_bytes(b"f" * 30_000)
        shim, fds = container()
        handle = pump.attach("full", *fds, str(disk / "0.log"))
        lines = b"".join(b"%d\n" % n for n in range(200_000))
        with capture_logs() as logs:
            async with asyncio.timeout(60):
                await asyncio.to_thread(shim.write, lines)
                while pump.statistics().bytes_read < len(lines):
                    await asyncio.sleep(0.005)
        assert [entry["event"] for entry in logs] == ["log.write_failed"]
        before = (disk / "0.log").read_bytes()
        numbers = [int(content) for _, content in entries(before)]
        assert numbers == list(range(len(numbers)))
        assert 100 < len(numbers) < 200_000
        statistics = pump.statistics()
        assert statistics.write_errors > 0
        assert statistics.bytes_dropped > 500_000
        (disk / "filler").unlink()
        shim.write(b"room again\n")
        shim.close()
        assert await handle.wait_drained(5)
        assert entries((disk / "0.log").read_bytes()[len(before) :]) == [(b"F", b"room again")]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
