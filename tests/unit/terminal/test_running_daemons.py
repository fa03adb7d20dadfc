"""Finding a daemon by its command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cri_shim import cli
from cri_shim.terminal import running_daemons
from cri_shim.terminal.running_daemons import RunningDaemon
from tests.unit.terminal.fake_runtime import Runtime, serving


class FakeProc:
    """A /proc with some processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        (directory / "uptime").write_text("1 1")

    def add(self, pid: int, *command: str, root: str = "/", cwd: str = "/") -> None:
        process = self.directory / str(pid)
        process.mkdir()
        (process / "cmdline").write_bytes(b"".join(part.encode() + b"\0" for part in command))
        (process / "root").symlink_to(root)
        (process / "cwd").symlink_to(cwd)


@pytest.fixture
def proc(tmp_path, monkeypatch) -> FakeProc:
    fake = FakeProc(tmp_path / "proc")
    monkeypatch.setattr(running_daemons, "PROC", fake.directory)
    monkeypatch.setattr(running_daemons.running_daemons, "__defaults__", (fake.directory,))
    return fake


def test_each_form_of_the_command_line(proc, tmp_path):
    """With and without Python, flags in both forms, names relative to the daemon's directory."""
    proc.add(1, "/usr/bin/cri-shim", "serve", "--config", "/a.toml")
    proc.add(2, "/venv/bin/python", "-I", "/venv/bin/cri-shim", "serve", "--config=b.toml", cwd="/etc")
    proc.add(3, "python3", "-m", "cri_shim.cli", "serve", "--log-level", "debug", "--socket-path", "/s")
    proc.add(4, "cri-shim", "serve")
    assert running_daemons.running_daemons() == [
        RunningDaemon(1, config="/a.toml"),
        RunningDaemon(2, config="/etc/b.toml"),
        RunningDaemon(3, socket_path="/s"),
        RunningDaemon(4),
    ]


def test_other_processes_are_none(proc, tmp_path):
    """Other commands of the program, an editor, a daemon in a container, one that has just ended, a kernel thread."""
    proc.add(1, "cri-shim", "hops", "--config", "/a.toml")
    proc.add(2, "vim", "cri-shim", "serve.md")
    proc.add(3, "cri-shim", "serve", "--config", "/a.toml", root=str(tmp_path))
    proc.add(4, "cri-shim", "serve", "--config", "/a.toml")
    (proc.directory / "4" / "cmdline").unlink()
    proc.add(5)
    proc.add(6, "cri-shim", "serve", "--config")
    assert running_daemons.running_daemons() == [RunningDaemon(6)]


def test_a_real_process_is_seen(tmp_path):
    """Its command line is what it was started with."""
    sleeper = "import time; time.sleep(60)"
    process = subprocess.Popen(
        [str(tmp_path / "x"), "-c", sleeper, "cri-shim", "serve", "--config", "c.toml"],
        executable=sys.executable,
        cwd=tmp_path,
    )
    try:
        # Popen returns when execve has closed its pipe, which is a moment before the new command line can be read.
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        daemons = running_daemons.running_daemons()
        assert RunningDaemon(process.pid, config=f"{tmp_path}/c.toml") in daemons
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def nothing_usual(tmp_path, monkeypatch) -> None:
    """Let the usual file name a socket that does not exist."""
    usual = tmp_path / "usual.toml"
    usual.write_text(f"socket_path = '{tmp_path}/usual.sock'\nstate = '{tmp_path}/usual'\n")
    monkeypatch.setattr("cri_shim.config.toml_file.DEFAULT_PATH", usual)


def test_the_only_daemon_is_the_one_that_is_meant(proc, nothing_usual, tmp_path, capsys):
    """Without any flag, `status` reaches it."""
    config = tmp_path / "other.toml"
    config.write_text(f"socket_path = '{tmp_path}/other.sock'\n")
    proc.add(1, "cri-shim", "serve", "--config", str(config))
    with serving(tmp_path / "other.sock", Runtime()):
        assert cli.main(["status"]) == 0
    assert f"{tmp_path}/other.sock" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["status"], ["hops"], ["explain"]])
def test_several_daemons_are_listed(proc, nothing_usual, tmp_path, capsys, command):
    """None is guessed."""
    proc.add(1, "cri-shim", "serve", "--config", "/a.toml")
    proc.add(22, "cri-shim", "serve", "--socket-path", "/b\x1b.sock")
    assert cli.main(command) == 1
    assert capsys.readouterr().err == (
        f"no cri-shim serves {tmp_path}/usual.sock, but these run; name one of them:\n"
        "  --config /a.toml (process 1)\n"
        "  --socket-path /b\\x1b.sock (process 22)\n"
    )


def test_json_says_what_is_refused(proc, nothing_usual, tmp_path, capsys):
    """A program that reads the document learns why there is no daemon in it, from a wrong configuration too."""
    proc.add(1, "cri-shim", "serve", "--config", "/a.toml")
    proc.add(22, "cri-shim", "serve", "--config", "/b.toml")
    (tmp_path / "wrong.toml").write_text("rooot = 1")
    for arguments, words in (([], "name one of them"), (["--config", str(tmp_path / "wrong.toml")], "rooot")):
        assert cli.main(["status", "-o", "json", *arguments]) == 1
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert (document["ready"], document["error"], document["daemon"]) == (False, err.rstrip("\n"), {"socket": None})
        assert document["reasons"] == [document["error"]]
        assert words in err


def test_flags_win(proc, nothing_usual, tmp_path, capsys):
    """What the operator names is what is asked."""
    proc.add(1, "cri-shim", "serve", "--config", "/a.toml")
    assert cli.main(["status", "--socket-path", f"{tmp_path}/named.sock"]) == 1
    assert f"{tmp_path}/named.sock" in capsys.readouterr().err
