"""Programs that do not keep to the line protocol: each is named in one sentence, and no call waits for ever."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path

import pytest

from cri_shim.bench.clients import line_caller, line_process
from cri_shim.bench.clients.line_caller import LineCaller
from cri_shim.bench.clients.line_process import ClientError

HELLO = 'print("hello 1 fake 1", flush=True)\n'


@pytest.fixture
def program(tmp_path):
    """Make a program of some Python; its path has a blank in it."""

    def make(source: str) -> str:
        path = tmp_path / "a client"
        path.write_text(f"#!{sys.executable}\nimport sys, time\n{textwrap.dedent(source)}")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("sys.exit('no such endpoint')", "has ended with exit code 1: no such endpoint"),
        ("print('usage: …')", "the first line of a client is"),
        ("print('hello 2 new 1')", "speaks version 2 of the protocol, this is version 1"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("time.sleep(60)", "has not said hello within"),
    ],
)
async def test_one_that_does_not_start(program, monkeypatch, source, wrong):
    """Its name and the reason, soon."""
    monkeypatch.setattr(line_caller, "HELLO_SECONDS", 1.0)
    monkeypatch.setattr(line_process, "END_SECONDS", 0.2)
    command = program(source)
    with pytest.raises(ClientError) as failed:
        await LineCaller.start(command, "unix:///e.sock")
    assert wrong in str(failed.value)
    assert command in str(failed.value)


async def test_one_that_is_not_there():
    """Or whose quotes do not match."""
    for command in ("/no/such/client", "'unmatched"):
        with pytest.raises(ClientError, match="cannot be run"):
            await LineCaller.start(command, "unix:///e.sock")


@pytest.mark.parametrize(
    ("does", "wrong"),
    [
        ("sys.exit('lost my way')", "has ended with exit code 1: lost my way"),
        ("print('what?')", "has broken the protocol: the line 'what\\?' cannot be understood"),
        ("print('answer 99 1 0 - - -')", "has answered a call 99 that was not made"),
        ("print('answer 1 1 0 - - -\\nanswer 1 1 0 - - -')", "has answered a call 1 that was not made, or twice"),
        ("print('error - bm8=')", "cannot go on: no"),
        ("sys.stdout.write('x' * (25 << 20))", "has written a line of more than"),
    ],
)
async def test_one_that_breaks_off(program, does, wrong):
    """All calls end with the reason, and later ones are refused with the same."""
    caller = await LineCaller.start(program(f"{HELLO}sys.stdin.readline()\n{does}\nsys.stdout.flush()"), "unix:///e")
    with pytest.raises(ClientError, match=wrong):
        for _ in range(100):  # one that answers twice has answered once
            await asyncio.gather(*(caller.call("/a/b", b"", 20) for _ in range(2)))
    with pytest.raises(ClientError, match=wrong):
        await caller.call("/a/b", b"", 20)
    await caller.close()


async def test_a_call_that_could_not_be_made_is_only_that_call(program):
    """An error with an id leaves the client usable."""
    source = f"{HELLO}sys.stdin.readline(); print('error 1 bm8=', flush=True)\n"
    source += "sys.stdin.readline(); print('answer 2 1500000 0 - - b24=', flush=True)\nsys.stdin.read()"
    caller = await LineCaller.start(program(source), "unix:///e")
    with pytest.raises(ClientError, match="could not make a call: no"):
        await caller.call("/a/b", b"", 20)
    answer = await caller.call("/a/b", b"", 20)
    assert (answer.content, answer.ms) == (b"on", 1.5)
    await caller.close()


async def test_an_answer_that_never_comes(program, monkeypatch):
    """Is waited for a little longer than the call's own deadline."""
    monkeypatch.setattr(line_caller, "LATE_SECONDS", 0.2)
    caller = await LineCaller.start(program(f"{HELLO}sys.stdin.read()"), "unix:///e")
    with pytest.raises(ClientError, match=r"has not answered a call of /a/b that was to end within 0\.1 s"):
        await caller.call("/a/b", b"", 0.1)
    await caller.close()


async def test_one_that_does_not_end_is_ended(program, monkeypatch):
    """By a signal that it cannot ignore; nothing is left."""
    monkeypatch.setattr(line_process, "END_SECONDS", 0.2)
    caller = await LineCaller.start(program(f"{HELLO}time.sleep(60)"), "unix:///e")
    await caller.close()
    assert not Path(f"/proc/{caller.pid}").exists()


async def test_an_interrupt_at_the_terminal_does_not_reach_it(program):
    """It has a session of its own: the comparison has pods to remove through it first."""
    source = f"import os\n{HELLO}sys.stdin.readline()\nprint('answer 1 1', os.getsid(0) == os.getpid() and 7, '- - -')"
    caller = await LineCaller.start(program(source), "unix:///e")
    with pytest.raises(Exception, match="PERMISSION_DENIED"):  # status 7
        await caller.call("/a/b", b"", 20)
    await caller.close()


@pytest.mark.parametrize("first", ["", "sys.exit(3)\n"])
async def test_one_whose_children_keep_its_pipes_open(program, monkeypatch, first):
    """They end with it, whether it had to be killed or has ended before them."""
    monkeypatch.setattr(line_process, "END_SECONDS", 0.2)
    source = "import subprocess; print(subprocess.Popen(['sleep', '300']).pid, file=open(sys.argv[0] + '.pid', 'w'))\n"
    command = program(HELLO + source + first + "time.sleep(300)")
    async with asyncio.timeout(20):
        caller = await LineCaller.start(command, "unix:///e.sock")
        pid_file = Path(f"{command}.pid")
        while not pid_file.exists() or not pid_file.read_text():
            await asyncio.sleep(0.01)
        await caller.close()
    async with asyncio.timeout(20):
        while _runs(pid_file.read_text().strip()):
            await asyncio.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return "zombie" not in Path("/proc", pid, "status").read_text()
    except OSError:
        return False


async def test_one_that_hangs_up_on_its_output(program, monkeypatch):
    """A call is not waited for until its deadline."""
    monkeypatch.setattr(line_process, "END_SECONDS", 0.2)
    caller = await LineCaller.start(program(HELLO + "import os; os.close(1); sys.stdin.read()"), "unix:///e.sock")
    with pytest.raises(ClientError, match="has closed its standard output"):
        await asyncio.wait_for(caller.call("/a/B", b"", 60), 20)
    await caller.close()


async def test_one_whose_clock_is_wrong(program):
    """A call cannot have taken longer than it was waited for."""
    caller = await LineCaller.start(
        program(HELLO + "sys.stdin.readline(); print('answer 1 4611686018427387904 0 - - -', flush=True)"), "unix:///e"
    )
    with pytest.raises(ClientError, match="says that a call of /a/B took 4611686018427387904 ns"):
        await caller.call("/a/B", b"", 60)
    await caller.close()
