"""FIFOs as containerd's shim sees them."""

from __future__ import annotations

import os
import select
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from cri_shim.logs.fifo import FifoSet, StdinKeeper

if TYPE_CHECKING:
    from pathlib import Path


def test_fifos_have_the_names_and_modes_of_containerd(tmp_path: Path) -> None:
    """<dir>/<id>-stdin, -stdout and -stderr, 0700; a terminal has no stderr."""
    directory = tmp_path / "io"
    fifos = FifoSet.create(str(directory), "abc", stdin=True, tty=False)
    assert fifos.paths == tuple(f"{directory}/abc-{name}" for name in ("stdin", "stdout", "stderr"))
    for path in fifos.paths:
        mode = os.stat(path).st_mode
        assert stat.S_ISFIFO(mode)
        assert stat.S_IMODE(mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    terminal = FifoSet.create(str(directory), "tty", stdin=False, tty=True)
    assert (terminal.stdin, terminal.stdout, terminal.stderr) == ("", f"{directory}/tty-stdout", "")
    assert terminal.terminal


def test_making_them_again_replaces_what_an_earlier_attempt_left(tmp_path: Path) -> None:
    """A second create gives new, empty FIFOs."""
    first = FifoSet.create(str(tmp_path / "io"), "abc", stdin=False, tty=True)
    inode = os.stat(first.stdout).st_ino
    os.link(first.stdout, tmp_path / "keeps-the-inode-number-in-use")
    second = FifoSet.create(str(tmp_path / "io"), "abc", stdin=False, tty=True)
    assert os.stat(second.stdout).st_ino != inode


def test_existing_fifos_are_checked(tmp_path: Path) -> None:
    """A missing FIFO, or a file in its place, is an error that names it."""
    made = FifoSet.create(str(tmp_path / "io"), "abc", stdin=False, tty=False)
    assert FifoSet.existing(str(tmp_path / "io"), "abc", stdin=False, tty=False) == made
    assert FifoSet.of_process("", made.stdout, made.stderr, terminal=False) == made
    with pytest.raises(FileNotFoundError, match="abc-stdin"):
        FifoSet.existing(str(tmp_path / "io"), "abc", stdin=True, tty=False)
    os.unlink(made.stderr)
    (tmp_path / "io" / "abc-stderr").write_text("no fifo")
    with pytest.raises(FileNotFoundError, match="abc-stderr"):
        FifoSet.existing(str(tmp_path / "io"), "abc", stdin=False, tty=False)


def test_removing_leaves_other_processes_fifos_and_then_nothing(tmp_path: Path) -> None:
    """The directory goes with the last set in it; removing twice is fine."""
    one = FifoSet.create(str(tmp_path / "io"), "one", stdin=True, tty=False)
    two = FifoSet.create(str(tmp_path / "io"), "two", stdin=False, tty=False)
    one.remove()
    assert sorted(os.listdir(tmp_path / "io")) == ["two-stderr", "two-stdout"]
    two.remove()
    two.remove()
    assert not (tmp_path / "io").exists()


def test_readers_opened_first_see_no_end_before_a_writer_came_and_went(tmp_path: Path) -> None:
    """Opening does not block, and hang-up is only reported after the last writer."""
    fifos = FifoSet.create(str(tmp_path / "io"), "abc", stdin=False, tty=True)
    stdout, stderr = fifos.open_readers()
    assert stderr is None
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    assert poll.poll(20) == []
    writer = os.open(fifos.stdout, os.O_WRONLY)
    assert poll.poll(20) == []
    os.close(writer)
    assert poll.poll(1000) == [(stdout, select.POLLHUP)]
    os.close(stdout)


def test_readers_opened_again_under_a_running_writer_find_what_was_left(tmp_path: Path) -> None:
    """A daemon that restarts loses nothing and sees no end, since the shim holds both ends."""
    fifos = FifoSet.create(str(tmp_path / "io"), "abc", stdin=False, tty=True)
    first, _ = fifos.open_readers()
    writer, reader = os.open(fifos.stdout, os.O_WRONLY), os.open(fifos.stdout, os.O_RDONLY)
    os.write(writer, b"left over")
    os.close(first)
    os.write(writer, b", and more")
    again, _ = FifoSet.existing(str(tmp_path / "io"), "abc", stdin=False, tty=True).open_readers()
    poll = select.poll()
    poll.register(again, select.POLLIN)
    assert poll.poll(0) == [(again, select.POLLIN)]
    assert os.read(again, 100) == b"left over, and more"
    for fd in (writer, reader, again):
        os.close(fd)


def test_stdin_stays_open_until_the_keeper_closes(tmp_path: Path) -> None:
    """A reader that comes later neither blocks nor sees an end; it reads what is written, and the end after close."""
    fifos = FifoSet.create(str(tmp_path / "io"), "abc", stdin=True, tty=False)
    keeper = StdinKeeper(fifos.stdin)
    with pytest.raises(BrokenPipeError):
        os.write(keeper.fd, b"nobody reads")
    got: list[bytes] = []

    def shim() -> None:
        fd = os.open(fifos.stdin, os.O_RDONLY)  # blocks when there is no writer
        while data := os.read(fd, 100):
            got.append(data)
        os.close(fd)

    thread = threading.Thread(target=shim, daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    os.write(keeper.fd, b"typed")
    keeper.close()
    keeper.close()
    thread.join(5)
    assert not thread.is_alive()
    assert got == [b"typed"]
    assert keeper.fd == -1
