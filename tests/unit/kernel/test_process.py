"""Running programs: output, exits, time limits, nothing left over."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from cri_shim.daemon.ignored_signals import IGNORED_SIGNALS
from cri_shim.kernel import process
from cri_shim.kernel.process import run_program
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"PATH": "/usr/bin:/bin"}


def shell(script: str, *, stdin: bytes = b"", time_limit: float = 10):
    return run_program(["/bin/sh", "-c", script], ENV, stdin, time_limit=time_limit)


def children() -> set[str]:
    """All of this process; tests before this one may have left daemons of theirs running on purpose."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(file.read().split())


def make_fifo(directory: Path) -> int:
    """Make the FIFO ``go``, from which a program reads a line when it is time to go on; return its open end."""
    os.mkfifo(directory / "go")
    return os.open(directory / "go", os.O_RDWR)


async def test_streams_and_exit_code() -> None:
    """stdin is read, stdout and stderr are kept apart, the exit code comes back."""
    done = await shell("cat; echo err >&2; exit 3", stdin=b"in")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"in", b"err\n")


async def test_death_by_signal_is_negative() -> None:
    """A signal shows as a negative exit code."""
    assert (await shell("kill -TERM $$")).exit_code == -15


async def test_much_output_neither_blocks_nor_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds is drained while the program runs, and only so much is kept."""
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 200_000)
    done = await shell("head -c 1000000 /dev/zero; head -c 100000 /dev/zero >&2")
    assert (done.exit_code, len(done.stdout), len(done.stderr)) == (0, 200_000, 100_000)


async def test_reopened_streams_work_like_pipes() -> None:
    """Scripts that open /dev/stdout again append to what was written, as with any pipe."""
    done = await shell("echo a; echo b > /dev/stdout; echo c; cat < /dev/stdin", stdin=b"in")
    assert done.stdout == b"a\nb\nc\nin"


async def test_grandchild_with_open_stdout_delays_nothing() -> None:
    """The end is the program's own, even if a background process keeps its output open and lives on."""
    done = await shell("sleep 1000 & echo $!")
    os.kill(int(done.stdout), 9)


async def test_time_limit_kills_the_whole_group() -> None:
    """After the limit the program and its children are gone and reaped."""
    before = children()
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)  # open in every process of the group for as long as it lives
    with pytest.raises(TimeoutError, match="/bin/sh was killed"):
        await shell("sleep 1000 & sleep 1000", time_limit=0.2)
    os.close(write_end)
    assert os.read(read_end, 1) == b""
    os.close(read_end)
    await until(lambda: children() <= before)


async def test_a_child_is_reaped_after_its_exit_code_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last thread is still removing its entry in /proc when the exit code arrives, and must not be waited for."""
    monkeypatch.setattr(process, "_REAP_AFTER", 0.3)
    before = children()
    assert (await shell("exit 7")).exit_code == 7
    assert len(children() - before) == 1
    await until(lambda: children() <= before)


async def test_cancel_kills_and_reaps() -> None:
    """A cancelled caller leaves no process and no zombie behind."""
    before = children()
    task = asyncio.create_task(shell("sleep 1000", time_limit=1000))
    await until(lambda: children() - before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: children() <= before)


async def test_missing_program_is_an_oserror_and_leaks_nothing() -> None:
    """A failed start raises at once and closes what it had opened."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        await run_program(["/nowhere/x"], ENV, b"", time_limit=1)
    await shell("true")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_many_at_once() -> None:
    """Sixty programs at the same time each get their own output."""
    done = await asyncio.gather(*(shell(f"echo {i}") for i in range(60)))
    assert [int(item.stdout) for item in done] == list(range(60))


@pytest.mark.usefixtures("_ignoring")
async def test_child_starts_with_default_signals() -> None:
    """Signals that Python or the daemon ignores are at their default in the program; and it leads its own session."""
    done = await shell("grep SigIgn /proc/self/status; cut -d' ' -f1,6 /proc/$$/stat")
    lines = done.stdout.decode().splitlines()
    ignored = {number for number in range(1, 65) if int(lines[0].split()[1], 16) >> (number - 1) & 1}
    assert ignored <= {32, 33}  # of the C library's own, which ignores them in what it spawns
    pid, session = lines[1].split()
    assert pid == session


@pytest.fixture
def _ignoring() -> Iterator[None]:
    """Ignore what the daemon ignores while it starts and ends."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, *IGNORED_SIGNALS)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_a_flood_is_thrown_away_without_hurry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program, and a child of its that goes on, may write for ever: the loop has time for others, and an end."""
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 100_000)
    go = make_fifo(tmp_path)
    flood = "yes | head -c 200000; yes | head -c 200000 >&2; yes & yes >&2 &"  # they end when their reader is gone
    task = asyncio.create_task(shell(f"{flood} touch {tmp_path}/begun; read line <{tmp_path}/go", time_limit=100))
    await until((tmp_path / "begun").exists)
    for _ in range(5):
        await asyncio.sleep(0.01)
    os.write(go, b"on\n")
    done = await task
    os.close(go)
    assert (len(done.stdout), len(done.stderr)) == (100_000, 100_000)


@pytest.mark.parametrize("outlives", [False, True])
async def test_a_program_that_outlives_its_caller(tmp_path: Path, *, outlives: bool) -> None:
    """A cancelled caller ends its program, unless that must not be cut in the middle: then it comes to its own end."""
    before = children()
    go = make_fifo(tmp_path)
    script = f"touch {tmp_path}/begun; read line <{tmp_path}/go; touch {tmp_path}/ended"
    running = run_program(["/bin/sh", "-c", script], ENV, b"", time_limit=100, outlives_caller=outlives)
    task = asyncio.create_task(running)
    await until((tmp_path / "begun").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if outlives:
        os.write(go, b"on\n")
    await until(lambda: children() <= before)
    os.close(go)
    assert (tmp_path / "ended").exists() is outlives


async def test_a_nul_is_refused() -> None:
    """What no program can be given is an error and leaves no pipe open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="null"):
        await run_program(["/bin/true"], {"A": "b\0c"}, b"", time_limit=1)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_pauses_do_not_hold_up_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output that is not kept is read only now and then, and the pipe takes much of it meanwhile."""
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 100_000)
    monkeypatch.setattr(process, "_PAUSE", 1000)
    done = await shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 3", time_limit=60)
    assert (done.exit_code, len(done.stdout), len(done.stderr)) == (3, 100_000, 100_000)
