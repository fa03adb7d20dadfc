"""Who holds the daemon's locks is read from /proc/locks, and nothing is locked for that."""

from __future__ import annotations

import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from structlog.testing import capture_logs

from cri_shim.daemon.endpoint import directory_locks, namespace_lock, socket_lock
from cri_shim.doctor.checks import daemons
from cri_shim.doctor.checks.daemons import Daemons, Held, judge_daemons, read_daemons
from cri_shim.doctor.facts.place import Place
from cri_shim.kernel.file_lock import FileLock
from cri_shim.paths import Paths
from tests.unit.doctor.node_tree import config_of, findings, reported

PLACE = Place()


def config_at(directory):
    return config_of(
        f'socket_path = "{directory}/s.sock"\nroot = "{directory}/root"\nstate = "{directory}/state"\n'
        f'[containerd]\naddress = "{directory}/c.sock"\n',
    )


@pytest.fixture
def directories(tmp_path):
    paths = Paths(tmp_path / "root", tmp_path / "state")
    paths.root.mkdir()
    paths.state.mkdir()
    return paths


@contextlib.contextmanager
def listening(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        server.listen()
        yield


@contextlib.contextmanager
def serving(path):
    """A server that answers every call, with an error."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait()


def judged(config):
    return list(judge_daemons(read_daemons(config, PLACE), config, PLACE))


def test_a_daemon_that_does_not_run_is_a_note(tmp_path, directories):
    assert reported(judged(config_at(tmp_path))) == {"daemon-not-running": "note"}


def test_the_daemon_that_holds_all_locks_and_answers_is_fine(tmp_path, directories):
    config = config_at(tmp_path)
    with socket_lock(config.socket_path), directory_locks(directories), serving(config.socket_path):
        assert read_daemons(config, PLACE).serving == os.getpid()
        assert reported(judged(config)) == {}


def test_a_daemon_that_takes_connections_and_answers_nothing_is_reported(tmp_path, directories, monkeypatch):
    """As one that is stopped does: the kernel takes connections for it."""
    monkeypatch.setattr(daemons, "PATIENCE", 0.2)
    config = config_at(tmp_path)
    with socket_lock(config.socket_path), directory_locks(directories), listening(config.socket_path):
        outcomes = judged(config)
    assert reported(outcomes) == {"daemon-not-serving": "warning"}
    assert "has not answered a call for 0.2 s" in findings(outcomes)[0].what


def test_a_daemon_whose_socket_does_not_answer_is_reported(tmp_path, directories):
    config = config_at(tmp_path)
    with socket_lock(config.socket_path), directory_locks(directories):
        assert reported(judged(config)) == {"daemon-not-serving": "warning"}


def test_a_daemon_that_holds_only_our_root_is_another_one(tmp_path, directories):
    with FileLock(str(directories.root / "state.lock")):
        outcomes = judged(config_at(tmp_path))
    assert reported(outcomes) == {"two-daemons": "error"}
    assert findings(outcomes)[0].what == daemons.used_by_another(directories.root, "root", f"process {os.getpid()}")


def test_a_daemon_that_holds_only_our_namespace_is_another_one(tmp_path, directories):
    config = config_at(tmp_path)
    with namespace_lock(config.containerd.address, "k8s.io"):
        outcomes = judged(config)
    assert reported(outcomes) == {"two-daemons": "error"}
    what = findings(outcomes)[0].what
    assert what == daemons.pods_of_another(f"{tmp_path}/c.sock", "k8s.io", f"process {os.getpid()}")


@pytest.mark.parametrize("place", ["root/containers", "state/sandboxes/deeper"])
def test_no_directory_is_in_one_of_another_daemon(tmp_path, directories, place):
    """The other daemon would remove what is there, because it has no record of it; elsewhere nothing is removed."""
    inner = Paths(tmp_path / place, tmp_path / "state2")
    for directory in (inner.root, inner.state, directories.root / "own"):
        directory.mkdir(parents=True)
    with directory_locks(directories), pytest.raises(OSError, match="give this one a root of its own"):
        with directory_locks(inner):
            pass
    with directory_locks(directories), directory_locks(Paths(directories.root / "own", tmp_path / "state2")):
        pass


def test_a_namespace_is_locked_by_one_at_a_time(tmp_path):
    """By whatever way it reaches containerd's socket; other namespaces are free, and where no file can be made, all."""
    (tmp_path / "link").symlink_to(tmp_path)
    with namespace_lock(f"{tmp_path}/c.sock", "k8s.io"):
        for address in (f"{tmp_path}/c.sock", f"unix://{tmp_path}/c.sock", f"{tmp_path}/link/c.sock"):
            with pytest.raises(OSError, match="has the pods in namespace"), namespace_lock(address, "k8s.io"):
                pass
        with namespace_lock(f"{tmp_path}/c.sock", "other"):
            pass
    (tmp_path / "file").touch()
    with capture_logs() as logs, namespace_lock(f"{tmp_path}/file/c.sock", "k8s.io"):
        pass
    assert [each["event"] for each in logs] == ["daemon.namespace_not_locked"]


def test_two_daemons_with_one_state_are_reported_with_their_processes():
    locks = (Held("s.lock", "socket_path", "s", 10), Held("root/root.lock", "root", "root", 11))
    outcomes = list(judge_daemons(Daemons(locks, answers=True), config_of(), PLACE))
    assert reported(outcomes) == {"two-daemons": "error"}
    assert "$ ps -o pid,args -p 10,11" in findings(outcomes)[0].remedy


def test_another_program_on_the_socket_is_reported(tmp_path, directories):
    config = config_at(tmp_path)
    with listening(config.socket_path):
        assert reported(judged(config)) == {"socket-taken": "error"}


def test_a_lock_that_cannot_be_seen_is_unknown():
    hidden = Held("root/root.lock", "root", "root", reason="root/root.lock: permission denied")
    locks = (Held("s.lock", "socket_path", "s"), hidden)
    outcomes = judge_daemons(Daemons(locks, answers=False), config_of(), Place(uid=1000))
    assert reported(outcomes) == {"two-daemons": "unknown", "daemon-not-running": "note"}


def test_a_socket_lock_that_cannot_be_seen_leaves_open_whether_a_daemon_runs():
    locks = (Held("s.lock", "socket_path", "s", reason="s.lock: permission denied"),)
    outcomes = judge_daemons(Daemons(locks, answers=True), config_of(), Place(uid=1000))
    assert reported(outcomes) == {"two-daemons": "unknown", "daemon-not-running": "unknown"}


def test_a_lock_without_a_file_is_passed_over():
    """The kernel writes so for a lock whose inode it does not have."""
    assert daemons.holders("1: FLOCK  ADVISORY  WRITE 7 <none>:0 0 EOF\n", 42) == []


def test_holders_are_read_from_the_kernels_table():
    table = (
        "1: FLOCK  ADVISORY  WRITE 11169 fe:00:42 0 EOF\n2: POSIX  ADVISORY  WRITE 1 fe:00:42 0 EOF\n1: -> FLOCK x\n"
    )
    assert daemons.holders(table, 42) == [((0xFE, 0), 11169)]
    assert daemons.holders(table, 43) == []
