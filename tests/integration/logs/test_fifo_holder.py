"""The FIFO holder keeps what nobody else has open, is found again, is replaced, and ends by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from cri_shim.logs import fifo_holder
from cri_shim.logs.fifo import FifoSet
from cri_shim.logs.holding import Holding


def holders() -> set[int]:
    """Living holders that this process has started."""
    pids = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and fifo_holder.__file__.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                pids.add(int(entry.name))
    return pids


def until(condition, seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(0.02)


def write(path: str, data: bytes) -> None:
    """What a shim does in the end: write, and close the last writer."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, data)
    os.close(fd)


def read(fifos: FifoSet) -> bytes:
    """What a daemon that comes back finds."""
    stdout, _ = fifos.open_readers()
    try:
        return os.read(stdout, 100)
    except BlockingIOError:
        return b""
    finally:
        os.close(stdout)


def held(path: str) -> bool:
    """Return whether a reader has the FIFO open: only then can a writer be opened without blocking."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def test_output_outlives_daemon_and_writer(tmp_path):
    """What was written is there when both the daemon and the container have gone, and then for the next daemon."""
    fifos = FifoSet.create(str(tmp_path / "c"), "c1", stdin=False, tty=True)
    holding = Holding(tmp_path / "s")
    holding.hold("c1", fifos)
    until(lambda: held(fifos.stdout))
    holding.close()
    write(fifos.stdout, b"last words")
    time.sleep(0.1)
    assert read(fifos) == b"last words"
    again = Holding(tmp_path / "s")
    again.hold("c1", fifos)
    again.drop("c1")
    again.close()
    until(lambda: not held(fifos.stdout))


def test_it_ends_by_itself(tmp_path):
    """Without a daemon it goes when FIFOs are removed, and its socket with it."""
    fifos = FifoSet.create(str(tmp_path / "c"), "c1", stdin=False, tty=False)
    holding = Holding(tmp_path / "s")
    holding.hold("c1", fifos)
    until(lambda: held(fifos.stdout))
    holding.close()
    fifos.remove()
    until(lambda: not (tmp_path / "s").exists())


def test_a_killed_holder_is_replaced_and_gets_everything(tmp_path):
    """The next word to a holder that has died starts another, which holds what the first one held."""
    first = FifoSet.create(str(tmp_path / "a"), "a", stdin=False, tty=True)
    second = FifoSet.create(str(tmp_path / "b"), "b", stdin=False, tty=True)
    before = holders()
    holding = Holding(tmp_path / "s")
    holding.hold("a", first)
    until(lambda: held(first.stdout))
    (pid,) = holders() - before
    os.kill(pid, signal.SIGKILL)
    until(lambda: not held(first.stdout))
    holding.hold("b", second)
    until(lambda: held(first.stdout) and held(second.stdout))
    holding.drop("a")
    holding.drop("b")
    holding.close()
    until(lambda: not held(second.stdout))
