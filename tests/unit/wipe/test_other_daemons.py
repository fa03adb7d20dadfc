"""A daemon with other directories in front of the same containerd is not disturbed."""

from __future__ import annotations

import pytest

from cri_shim import cli
from cri_shim.config import Config, ContainerdSection
from cri_shim.terminal import running_daemons as finder
from cri_shim.terminal.running_daemons import RunningDaemon
from cri_shim.wipe import other_daemons


@pytest.fixture
def other(monkeypatch, tmp_path):
    """Find one, while the daemons that are given run."""
    ours = Config(containerd=ContainerdSection(address=f"{tmp_path}/c.sock"))
    settings = cli._settings

    def find(*daemons: RunningDaemon) -> str:
        monkeypatch.setattr(other_daemons, "running_daemons", lambda: list(daemons))
        return other_daemons.other_daemon(ours, settings)

    monkeypatch.setattr("cri_shim.config.toml_file.DEFAULT_PATH", tmp_path / "usual.toml")
    return find


def test_only_the_same_containerd_counts(other, tmp_path):
    """Under any of its names."""
    link, file = tmp_path / "link.sock", tmp_path / "other.toml"
    link.symlink_to(tmp_path / "c.sock")
    file.write_text(f'[containerd]\naddress = "{link}"\n')
    same = RunningDaemon(1, config=str(file))
    assert other() == ""
    assert other(RunningDaemon(2)) == ""
    assert other(RunningDaemon(2), same) == f"--config {file} (process 1)"
    assert other(RunningDaemon(1, config=str(file), containerd_address="/elsewhere.sock")) == ""
    flag = RunningDaemon(3, containerd_address=f"{tmp_path}/c.sock")
    assert other(flag) == f"--containerd-address {tmp_path}/c.sock (process 3)"


def test_another_namespace_does_not_count(other, tmp_path):
    """Its pods are not ours."""
    file = tmp_path / "other.toml"
    file.write_text(f'[containerd]\naddress = "{tmp_path}/c.sock"\nnamespace = "other"\n')
    assert other(RunningDaemon(1, config=str(file))) == ""


@pytest.mark.parametrize("content", [None, "root = 1"])
def test_what_cannot_be_read_counts(other, monkeypatch, tmp_path, content):
    """Nothing is known of it."""
    monkeypatch.setattr(other_daemons, "UNREADABLE_SECONDS", 0.0)
    file = tmp_path / "other.toml"
    if content:
        file.write_text(content)
    said = f"--config {file} (process 1), whose configuration cannot be read"
    assert other(RunningDaemon(1, config=str(file))) == said


def test_a_daemon_that_ends_meanwhile_does_not_count(other, monkeypatch, tmp_path):
    """Its file may go a moment before it does."""
    answers = iter([[RunningDaemon(1, config=f"{tmp_path}/gone.toml")], []])
    other()
    monkeypatch.setattr(other_daemons, "running_daemons", lambda: next(answers))
    assert other_daemons.other_daemon(Config(), cli._settings) == ""


def test_the_flag_of_a_running_daemon_is_read(tmp_path):
    """In the form of a URL, too."""
    process = tmp_path / "7"
    process.mkdir()
    (process / "cmdline").write_bytes(b"cri-shim\0serve\0--containerd-address\0unix:///run/c.sock\0")
    (process / "root").symlink_to("/")
    (process / "cwd").symlink_to("/tmp")
    assert finder.running_daemons(tmp_path) == [RunningDaemon(7, containerd_address="/run/c.sock")]
