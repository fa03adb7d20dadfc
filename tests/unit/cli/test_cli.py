"""The command line, run in this process and as a real program."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from cri_shim import cli
from cri_shim.config import Config, default_toml, parse

PROGRAM = [str(Path(sys.executable).parent / "cri-shim")]


@pytest.fixture
def fake_daemon(monkeypatch):
    """A daemon that only remembers with which settings it was started."""
    module: Any = types.ModuleType("cri_shim.daemon.daemon")
    module.started = []

    def serve(config, _read_again):
        module.started.append(config)
        return 7

    module.serve = serve
    monkeypatch.setitem(sys.modules, "cri_shim.daemon.daemon", module)
    monkeypatch.setattr("cri_shim.daemon.daemon", module, raising=False)
    monkeypatch.setattr("cri_shim.daemon.logging_setup.configure", lambda *_: None)
    monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", "1")
    return module


def test_serve_takes_flag_before_file_before_default(fake_daemon, tmp_path):
    """Each setting comes from the nearest place that has it, and the daemon's result is the exit code."""
    file = tmp_path / "config.toml"
    file.write_text("log_level = 'error'\nlog_format = 'json'\n")
    assert cli.main(["serve", "--config", str(file), "--log-level", "debug", "--socket-path", "/x.sock"]) == 7
    (config,) = fake_daemon.started
    assert (config.log_level, config.log_format, config.socket_path) == ("debug", "json", "/x.sock")
    assert config.containerd == Config().containerd


def test_serve_switches_grpc_fork_support_off(fake_daemon, tmp_path):
    """grpc must not install its fork handlers, even when the environment asks for them."""
    file = tmp_path / "config.toml"
    file.write_text("")
    cli.main(["serve", "--config", str(file)])
    assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "0"


def test_serve_does_not_start_on_a_wrong_file(fake_daemon, tmp_path, capsys):
    """A configuration with a mistake is never run with."""
    file = tmp_path / "config.toml"
    file.write_text("x = 1\n")
    assert cli.main(["serve", "--config", str(file)]) == 1
    assert fake_daemon.started == []
    assert capsys.readouterr().err == f"{file}:1: x: unknown key\n"


@pytest.mark.parametrize("flag", ["--socket-path", "--containerd-address"])
def test_serve_does_not_start_with_an_option_that_is_not_text(fake_daemon, tmp_path, capsys, flag):
    """A path may be any bytes on the command line, but it is sent, logged and put into records as text."""
    file = tmp_path / "config.toml"
    file.write_text("")
    assert cli.main(["serve", "--config", str(file), flag, "/tmp/\udcff"]) == 1
    assert fake_daemon.started == []
    assert capsys.readouterr().err.endswith("'/tmp/\\udcff' is not UTF-8\n")


def test_serve_sets_its_oom_score(fake_daemon, tmp_path, monkeypatch):
    """A score is written for the process; 0 writes nothing; one that is not allowed does not stop the start."""
    score, file = tmp_path / "oom_score_adj", tmp_path / "config.toml"
    monkeypatch.setattr(cli, "_OOM_SCORE", score)
    file.write_text("")
    cli.main(["serve", "--config", str(file)])
    assert not score.exists()
    file.write_text("oom_score = 17")
    cli.main(["serve", "--config", str(file)])
    assert score.read_text() == "17"
    monkeypatch.setattr(cli, "_OOM_SCORE", tmp_path)
    assert cli.main(["serve", "--config", str(file)]) == 7


def test_config_default_prints_the_defaults(capsys):
    """What is printed can be saved and used."""
    assert cli.main(["config", "default"]) == 0
    assert capsys.readouterr().out == default_toml()


def test_config_check_says_ok(tmp_path, capsys):
    """A good file gets one line and code 0."""
    file = tmp_path / "config.toml"
    file.write_text(default_toml())
    assert cli.main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok\n"


def test_config_check_prints_every_problem(tmp_path, capsys):
    """A bad file gets a line for each mistake, on standard error, and code 1."""
    file = tmp_path / "config.toml"
    file.write_text("log_level = 'loud'\n[cni]\nnope = 1\n")
    assert cli.main(["config", "check", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[:2] for line in captured.err.splitlines()] == [
        [f"{file}:1", "log_level"],
        [f"{file}:3", "cni.nope"],
    ]


def test_config_dump_shows_what_serve_would_use(tmp_path, capsys):
    """The file and the flags together, in the form of a file."""
    file = tmp_path / "config.toml"
    file.write_text("root = '/data'\n")
    assert cli.main(["config", "dump", "--config", str(file), "--containerd-address", "/c.sock"]) == 0
    config = parse(capsys.readouterr().out)
    assert (config.root, config.containerd.address) == ("/data", "/c.sock")


@pytest.mark.parametrize("arguments", [[], ["config"], ["config", "check"], ["nope"], ["serve", "--nope"]])
def test_wrong_usage_is_code_2(arguments):
    """An invalid command is distinguished from one that failed."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def test_the_installed_program_prints_its_version():
    """The command that a package installs is this one."""
    said = {
        subprocess.run([*PROGRAM, word], capture_output=True, text=True, check=True).stdout
        for word in ("version", "--version")
    }
    assert len(said) == 1
    assert said.pop().startswith("cri-shim 0.")


def test_looking_at_the_configuration_needs_no_grpc():
    """`config check` stays quick: nothing heavy is imported for it."""
    code = (
        "import sys; from cri_shim import cli; cli.main(['config', 'default']);"
        "print([m for m in ('grpc', 'aiohttp', 'google.protobuf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


OUTPUTS = (["config", "default"], ["--help"], ["--version"], ["status", "--help"], ["version"])


@pytest.mark.parametrize("command", OUTPUTS, ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_closed_pipe_is_not_a_traceback(command, buffered):
    """`cri-shim config default | head -1` ends quietly, and so does the help."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, *command],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": buffered},
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("command", [*OUTPUTS, ["config", "check", "/etc/hosts"]], ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_the_exit_code_is_the_same_when_errors_cannot_be_written_either(command, buffered):
    """The interpreter would end with 120."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command],
            stdout=full,
            stderr=full,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    assert done.returncode == 1


def test_an_interrupt_is_no_traceback(monkeypatch, capsys):
    """Also one that comes while a command is imported."""

    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "default_toml", interrupted)
    assert cli.main(["config", "default"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("command", OUTPUTS, ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_ends_a_command_with_one_line(command, buffered):
    """Output that cannot be written is not a mistake of the program."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
    assert (done.returncode, done.stderr) == (1, "cannot write: No space left on device\n")


def test_a_closed_output_leaves_the_exit_code():
    """A script may want only that."""
    command = shlex.join([*PROGRAM, "config", "default"])
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
