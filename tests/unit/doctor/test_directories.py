"""Directories that cannot be used, and file systems without space or inodes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

import pytest

from cri_shim.doctor.at_start import reason_not_to_start
from cri_shim.doctor.checks import directories
from cri_shim.doctor.checks.directories import Directory, judge_space, judge_usable, read_directories, read_socket
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import config_of, findings, reported

GIB = 1 << 30
HEALTHY = Directory("root", "/var/lib/cri-shim", "", 1, 50 * GIB, 100 * GIB, 900_000, 1_000_000)


def read(tmp_path, path="root"):
    return read_directories([("root", str(tmp_path / path))], Place())


def test_a_directory_and_one_that_can_be_made_are_fine(tmp_path):
    (tmp_path / "root").mkdir()
    for path in ("root", "new/deep/root"):
        assert reported(judge_usable(read(tmp_path, path), Place())) == {}
    assert read(tmp_path)[0].size > 0


def test_a_file_in_the_way_is_reported(tmp_path):
    (tmp_path / "root").write_text("")
    outcomes = list(judge_usable(read(tmp_path, "root/deep"), Place()))
    assert reported(outcomes) == {"directory-unusable": "error"}
    assert f"{tmp_path}/root is not a directory" in findings(outcomes)[0].what


def test_a_link_that_leads_to_itself_is_reported(tmp_path):
    (tmp_path / "root").symlink_to("root")
    assert reported(judge_usable(read(tmp_path), Place())) == {"directory-unusable": "error"}


@pytest.mark.parametrize("path", ["root", "root/deep"])
def test_a_link_to_nothing_is_reported(tmp_path, path):
    (tmp_path / "root").symlink_to("nowhere")
    outcomes = list(judge_usable(read(tmp_path, path), Place()))
    assert reported(outcomes) == {"directory-unusable": "error"}
    assert f"{tmp_path}/root: a symbolic link to nothing" in findings(outcomes)[0].what


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_not_a_socket_at_the_sockets_path_is_reported(tmp_path, make):
    path = tmp_path / "s.sock"
    assert reported(judge_usable([read_socket(str(path), Place())], Place())) == {}
    make(path)
    outcomes = list(judge_usable([read_socket(str(path), Place())], Place()))
    assert reported(outcomes) == {"directory-unusable": "error"}
    assert findings(outcomes)[0].remedy[0].startswith("make room for a socket there")
    config = config_of(f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\nsocket_path = "{path}"\n')
    assert "is not a socket" in reason_not_to_start(config, Place(uid=0))


def test_a_socket_at_the_sockets_path_is_fine(tmp_path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(tmp_path / "s.sock"))
        assert reported(judge_usable([read_socket(str(tmp_path / "s.sock"), Place())], Place())) == {}


def test_a_read_only_file_system_is_reported(tmp_path, monkeypatch):
    class ReadOnly:
        f_flag, f_bavail, f_blocks, f_frsize, f_favail, f_files = 1, 1, 1, 1, 1, 1

    monkeypatch.setattr("os.statvfs", lambda _: ReadOnly)
    outcomes = list(judge_usable(read(tmp_path), Place()))
    assert "mounted read-only" in findings(outcomes)[0].what


def test_a_directory_that_may_not_be_seen_is_unknown(tmp_path, monkeypatch):
    def refuse(_path):
        raise PermissionError(errno.EACCES, "Permission denied", "/var/lib/cri-shim")

    monkeypatch.setattr(directories, "_nearest", refuse)
    assert reported(judge_usable(read(tmp_path), Place(uid=1000))) == {"directory-unusable": "unknown"}


@pytest.mark.parametrize(
    ("free", "inodes", "code"),
    [
        (50 * GIB, 900_000, {}),
        (9 * GIB, 900_000, {"disk-nearly-full": "warning"}),
        (1 << 20, 900_000, {"disk-full": "error"}),
        (50 * GIB, 40_000, {"disk-nearly-full": "warning"}),
        (50 * GIB, 3, {"disk-full": "error"}),
    ],
)
def test_space_and_inodes(free, inodes, code):
    assert reported(judge_space([Directory("root", "/r", "", 1, free, 100 * GIB, inodes, 1_000_000)])) == code


def test_a_file_system_without_a_count_of_inodes_is_fine():
    assert reported(judge_space([Directory("root", "/r", "", 1, 50 * GIB, 100 * GIB, 0, 0)])) == {}


def test_one_file_system_is_reported_once():
    full = Directory("root", "/r", "", 1, 0, GIB, 1000, 1000)
    state = Directory("state", "/s", "", 1, 0, GIB, 1000, 1000)
    assert len(findings(judge_space([full, state]))) == 1
    assert len(findings(judge_space([full, state, HEALTHY]))) == 1
