"""What /proc tells: who serves a socket, CPU and memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from cri_shim.bench.measures.processes import (
    UnknownProcessError,
    holder_of,
    program_of,
    read_clock,
    server_of,
    version_of,
)
from cri_shim.bench.results.schema import Process

MYSELF = Process("myself", os.getpid())


def test_who_listens_on_a_socket_is_found(tmp_path):
    """The process that called listen()."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.sock"))
        server.listen()
        assert server_of(f"unix://{tmp_path}/s.sock") == os.getpid()


def test_a_socket_without_a_server_is_an_error(tmp_path):
    """The error names the socket."""
    with pytest.raises(UnknownProcessError, match=r"none\.sock"):
        server_of(f"unix://{tmp_path}/none.sock")


def test_a_daemon_that_was_handed_its_socket_is_found(tmp_path):
    """As by systemd, which is the one that called listen()."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.sock"))
        server.listen()
        assert holder_of(str(tmp_path / "s.sock"), os.getpid()) == 0
        daemon = subprocess.Popen(["sleep", "60"], pass_fds=[server.fileno()])
        try:
            assert holder_of(str(tmp_path / "s.sock"), os.getpid()) == daemon.pid
            assert holder_of(str(tmp_path / "other.sock"), os.getpid()) == 0
        finally:
            daemon.kill()
            daemon.wait()


def test_cpu_time_is_noticed():
    """Work of this process shows in its own time, as the client's, and in the machine's."""
    before = read_clock([MYSELF], [])
    until = os.times().user + 0.3
    while os.times().user < until:
        sum(range(1000))
    spent = read_clock([MYSELF], []).since(before)
    assert spent["myself"] >= 0.25
    assert spent["client"] >= 0.25
    assert spent["machine"] >= 0.2
    assert spent["shims"] == 0


def test_helpers_are_children_that_were_waited_for():
    """The time of a program that was run counts as a helper's and not as one's own."""
    before = read_clock([MYSELF], [])
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert read_clock([MYSELF], []).since(before)["helpers"] >= 0.05


def test_a_process_that_is_gone_costs_nothing():
    """A shim may end between being listed and being read."""
    assert read_clock([], [2**22 - 1]).cpu["shims"] == 0


def test_programs_are_named_by_what_they_run():
    """A script by its own name, not by its interpreter's; an interpreter's version is nobody's."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        assert program_of(child.pid)
        assert version_of(child.pid) == ""
    finally:
        child.kill()
        child.wait()


def test_time_of_what_a_daemon_keeps_running_is_a_helpers():
    """As long as it runs; once it has ended it counts through the daemon that waited for it."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        until = time.monotonic() + 20
        while read_clock([], [], helpers=[child.pid]).cpu["helpers"] < 0.1 and time.monotonic() < until:
            time.sleep(0.02)
        before = read_clock([MYSELF], [], helpers=[child.pid]).cpu["helpers"]
    finally:
        child.kill()
        child.wait()
    assert before >= 0.1
    assert read_clock([MYSELF], []).cpu["helpers"] >= before - 0.02
