"""The command as it is typed, with a systemctl and a containerd that only remember what they were asked."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from cri_shim import cli
from cri_shim.setup import command, node, targets

SYSTEMCTL = """#!/bin/sh
[ "$1" = --quiet ] && { test -e "$FAKE/$2"; exit; }
echo "$*" >> "$FAKE/calls"
case "$*" in
    "enable --now "*) touch "$FAKE/is-enabled" "$FAKE/is-active" ;;
    "stop "*) rm -f "$FAKE/is-active" ;;
    "disable "*) rm -f "$FAKE/is-enabled" ;;
esac
if test -e "$FAKE/fails-$2"; then echo "Job failed." >&2; exit 1; fi
"""
CONTAINERD = """#!/bin/sh
echo "$*" >> "$FAKE/containerd-calls"
cat "$FAKE/dump"
"""
DISABLED = 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The folder with the programs and with what they remember."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("containerd", CONTAINERD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "dump").write_text(DISABLED)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    return folder


@pytest.fixture
def root(tmp_path, fake):
    """A node whose containerd is the fake one."""
    top = tmp_path / "root"
    for directory in ("etc/systemd/system", "etc/cni/net.d", "lib/systemd/system", "var/lib"):
        (top / directory).mkdir(parents=True)
    (top / "etc/cni/net.d/10-net.conflist").write_text("{}")
    (top / "lib/systemd/system/containerd.service").write_text(f"[Service]\nExecStart={fake}/containerd\n")
    return top


@pytest.fixture
def systemd(monkeypatch):
    """systemd runs this node."""
    monkeypatch.setattr(node, "is_live", lambda _: True)
    monkeypatch.setattr(command, "is_live", lambda _: True)


def calls(fake):
    """What systemctl was asked to do, since the last time."""
    file = fake / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def setup(root, *arguments):
    return cli.main(["setup", "--root", str(root), *arguments])


def tree(root):
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")}


def test_a_dry_run_shows_everything_and_changes_nothing(root, fake, systemd, capsys):
    """Paths, commands, and the lines of files that are there."""
    (root / "etc/crictl.yaml").write_text("timeout: 1\n")
    before = tree(root)
    assert setup(root, "--dry-run") == 0
    shown = capsys.readouterr().out
    for path in (targets.OWN_CONFIG, targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN, targets.OWN_UNIT):
        assert path in shown
    assert "+runtime-endpoint: unix:///run/cri-shim/cri-shim.sock" in shown
    assert "run systemctl restart containerd.service\n     pods keep running" in shown
    assert tree(root) == before
    assert calls(fake) == []
    assert all(len(line) <= 80 for line in shown.splitlines() if "/" not in line)


def test_set_up_again_and_undo(root, fake, systemd, capsys):
    """The second run does nothing; the undo stops the service before anything is removed."""
    before = tree(root)
    assert setup(root, "-y") == 0
    assert calls(fake) == [
        "daemon-reload",
        "restart containerd.service",
        "enable --now cri-shim.service",
    ]
    before_any_change, before_the_restart = (fake / "containerd-calls").read_text().splitlines()
    assert before_any_change.endswith(".toml config dump")
    assert before_the_restart == f"--config {targets.CONTAINERD_CONFIG} config dump"
    assert "`cri-shim status --wait 60`" in capsys.readouterr().out
    assert setup(root, "-y") == 0
    assert "nothing to change" in capsys.readouterr().out
    assert calls(fake) == []
    assert setup(root, "--undo", "-y") == 0
    assert calls(fake) == [
        "stop cri-shim.service",
        "disable cri-shim.service",
        "daemon-reload",
        "restart containerd.service",
    ]
    assert tree(root) == before
    assert setup(root, "--undo", "-y") == 0
    assert "nothing to undo" in capsys.readouterr().out


def test_a_service_that_ran_before_goes_on(root, fake, systemd):
    """Only what the set-up has started is stopped."""
    (fake / "is-enabled").touch()
    (fake / "is-active").touch()
    assert setup(root, "-y") == 0
    assert setup(root, "--undo", "-y") == 0
    assert not [call for call in calls(fake) if call.startswith(("stop", "disable", "enable"))]


def test_without_a_terminal_it_must_be_confirmed(root, fake, systemd, monkeypatch, capsys):
    """Nothing is changed."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    before = tree(root)
    assert setup(root) == 2
    assert "confirm with -y" in capsys.readouterr().err
    assert tree(root) == before


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("", 1), ("n", 1)])
@pytest.mark.usefixtures("systemd")
def test_a_terminal_is_asked(root, fake, monkeypatch, answer, code):
    """Only a clear yes is one."""
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert setup(root) == code
    assert (root / "etc/cri-shim").exists() == (code == 0)


@pytest.mark.parametrize(
    ("dump", "said"),
    [
        ("disabled_plugins = []\n", "would still have its CRI plugin with /etc/cri-shim/containerd.toml"),
        (f'{DISABLED}required_plugins = ["io.containerd.grpc.v1.cri"]\n', "required_plugins"),
        ("= nonsense", "config dump"),
    ],
    ids=["plugin on", "plugin required", "no answer"],
)
@pytest.mark.usefixtures("systemd")
def test_nothing_is_changed_if_containerd_refuses_its_new_file(root, fake, capsys, dump, said):
    """Else its next restart would fail, even days later."""
    before = tree(root)
    (fake / "dump").write_text(dump)
    for options in ([], ["--no-start"]):
        assert setup(root, "-y", *options) == 1
        error = " ".join(capsys.readouterr().err.split())
        assert said in error
        assert error.endswith("(nothing was changed)")
        assert tree(root) == before
    assert calls(fake) == []


@pytest.mark.usefixtures("systemd")
def test_containerd_is_not_restarted_with_a_file_that_does_not_hold(root, fake, capsys):
    """Its usual file was changed since. The next run goes on where this one stopped."""
    (fake / "fails-containerd.service").touch()
    assert setup(root, "-y") == 1
    (fake / "fails-containerd.service").unlink()
    calls(fake)
    (fake / "dump").write_text("disabled_plugins = []\n")
    assert setup(root, "-y") == 1
    assert "would still have its CRI plugin" in capsys.readouterr().err
    assert calls(fake) == []
    (fake / "dump").write_text(DISABLED)
    assert setup(root, "-y") == 0
    assert calls(fake) == ["restart containerd.service", "enable --now cri-shim.service"]


def test_a_command_that_fails_is_run_again(root, fake, systemd, capsys):
    """And what it said is shown."""
    (fake / "fails-containerd.service").touch()
    assert setup(root, "-y") == 1
    assert "Job failed." in capsys.readouterr().err
    calls(fake)
    (fake / "fails-containerd.service").unlink()
    assert setup(root, "-y") == 0
    assert calls(fake) == ["restart containerd.service", "enable --now cri-shim.service"]


def test_an_undo_whose_command_failed_is_completed(root, fake, systemd):
    """The files are gone; systemd still has to be asked."""
    before = tree(root)
    assert setup(root, "-y") == 0
    (fake / "fails-containerd.service").touch()
    assert setup(root, "--undo", "-y") == 1
    calls(fake)
    (fake / "fails-containerd.service").unlink()
    assert setup(root, "--undo", "-y") == 0
    assert calls(fake) == ["restart containerd.service"]
    assert tree(root) == before


def test_no_start_changes_files_only(root, fake, systemd, capsys):
    """A later run without it does the rest."""
    assert setup(root, "-y", "--no-start") == 0
    assert "systemctl enable --now cri-shim.service" in capsys.readouterr().out
    assert calls(fake) == []
    assert setup(root, "-y") == 0
    assert calls(fake) == ["daemon-reload", "restart containerd.service", "enable --now cri-shim.service"]


def test_without_systemd_the_commands_are_printed(root, fake, capsys):
    """The files are made; a second run has nothing to do."""
    before = tree(root)
    assert setup(root, "--dry-run") == 0
    assert "run by hand: systemctl daemon-reload\n" in capsys.readouterr().out
    assert setup(root, "-y") == 0
    assert "run by hand:\n  systemctl daemon-reload\n" in capsys.readouterr().out
    assert setup(root, "-y") == 0
    assert "nothing to change" in capsys.readouterr().out
    assert setup(root, "--undo", "-y") == 0
    shown = capsys.readouterr().out
    assert ". run by hand: systemctl restart containerd.service\n" in shown
    assert "\nrun by hand:\n  systemctl daemon-reload\n  systemctl restart containerd.service\n" in shown
    assert ". run systemctl" not in shown
    assert calls(fake) == []
    assert tree(root) == before


def test_an_undo_without_a_start_says_what_is_left_to_do(root, fake, systemd, capsys):
    """In the plan, and once more at the end, in the form of a set-up; a service that ran before goes on."""
    assert setup(root, "-y") == 0
    calls(fake)
    capsys.readouterr()
    assert setup(root, "--undo", "-y", "--no-start") == 0
    plan, _, end = capsys.readouterr().out.partition("\nrun by hand:\n")
    left = ["stop cri-shim.service", "disable cri-shim.service", "daemon-reload", "restart containerd.service"]
    assert end == "".join(f"  systemctl {each}\n" for each in left)
    assert [line.partition("systemctl ")[2] for line in plan.splitlines() if ". run by hand: " in line] == left
    assert ". run systemctl" not in plan
    assert calls(fake) == []


def test_what_stays_at_an_undo_is_said(root, fake, systemd, capsys):
    """The exit code says so, too."""
    assert setup(root, "-y") == 0
    (root / "etc/cri-shim/config.toml").write_text("log_level = 'debug'\n")
    assert setup(root, "--undo", "-y") == 1
    assert "not undone: /etc/cri-shim/config.toml was changed since" in capsys.readouterr().err
    assert setup(root, "--undo", "-y", "--force") == 0
    assert not (root / "etc/cri-shim").exists()


def test_a_wrong_configuration_stops_it(root, fake, systemd, capsys):
    """The daemon would not start with it."""
    (root / "etc/cri-shim").mkdir()
    (root / "etc/cri-shim/config.toml").write_text("x = 1\n")
    assert setup(root, "-y") == 1
    assert "unknown key" in capsys.readouterr().err
    assert calls(fake) == []


def test_text_of_the_node_cannot_forge_lines(root, fake, systemd, capsys):
    """Control characters are shown as escapes."""
    (root / "etc/crictl.yaml").write_text("timeout: 1 # \x1b[2J\n")
    assert setup(root, "--dry-run") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_problems_stop_it_before_anything_is_changed(root, fake, systemd, capsys):
    """They are on standard error."""
    (root / "etc/containerd").mkdir()
    (root / "etc/containerd/config.toml").write_text("version =")
    before = tree(root)
    assert setup(root, "-y") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "configuration cannot be read: /etc/containerd/config.toml:1: invalid value" in said
    assert tree(root) == before


def test_the_journal_is_a_document(root, fake, systemd):
    """For those who want to see what was changed."""
    assert setup(root, "-y") == 0
    document = json.loads((root / "var/lib/cri-shim/setup.json").read_text())
    assert {entry["type"] for entry in document["entries"]} == {"directory", "file", "service"}
    assert document["pending"] == []


def test_other_users_may_only_look(monkeypatch, capsys):
    """Everything is root's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["setup", "-y"]) == 1
    assert "run as root" in capsys.readouterr().err


@pytest.mark.usefixtures("systemd")
def test_a_closed_standard_input_is_no_terminal(root, fake, monkeypatch, capsys):
    """As `cri-shim setup <&-` leaves it."""
    monkeypatch.setattr(sys, "stdin", None)
    assert setup(root) == 2
    assert "confirm with -y" in capsys.readouterr().err


@pytest.mark.parametrize("raised", [EOFError, KeyboardInterrupt])
@pytest.mark.usefixtures("systemd")
def test_no_answer_is_no(root, fake, monkeypatch, capsys, raised):
    """Ctrl-D and Ctrl-C at the question."""

    def interrupted(_):
        raise raised

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("builtins.input", interrupted)
    before = tree(root)
    assert setup(root) == 1
    assert "nothing was changed\n" in capsys.readouterr().err
    assert tree(root) == before


@pytest.mark.usefixtures("systemd")
def test_an_interrupted_run_says_how_to_go_on(root, fake, monkeypatch, capsys):
    """And --undo then takes back what was changed."""

    def interrupted(_):
        raise KeyboardInterrupt

    before = tree(root)
    with monkeypatch.context() as context:
        context.setattr(command, "run_command", interrupted)
        assert setup(root, "-y") == 1
    assert "interrupted: the same command completes it" in capsys.readouterr().err
    assert setup(root, "--undo", "-y") == 0
    assert tree(root) == before


@pytest.mark.usefixtures("systemd")
def test_a_forced_change_of_a_file_that_has_a_copy(root, fake, capsys):
    """The copy is then of what others wrote, which is what the undo puts back."""
    crictl = root / "etc/crictl.yaml"
    crictl.write_text("runtime-endpoint: unix:///first\n")
    assert setup(root, "-y") == 0
    crictl.write_text("runtime-endpoint: unix:///second\n")
    assert setup(root, "-y") == 0
    assert "(--force" in capsys.readouterr().out
    assert setup(root, "-y", "--force") == 0
    assert "cri-shim.sock" in crictl.read_text()
    assert setup(root, "--undo", "-y") == 0
    assert crictl.read_text() == "runtime-endpoint: unix:///second\n"
    assert not list(root.glob("etc/*.before-cri-shim"))


@pytest.mark.usefixtures("systemd")
def test_an_undo_after_the_units_are_gone(root, fake, capsys):
    """systemd fails for a unit that it does not know; there is nothing to stop or to restart."""
    assert setup(root, "-y") == 0
    calls(fake)
    for unit in ("lib/systemd/system/containerd.service", "etc/systemd/system/cri-shim.service"):
        (root / unit).unlink()
    for name in ("cri-shim.service", "containerd.service"):
        (fake / f"fails-{name}").touch()
    assert setup(root, "--undo", "-y") == 0
    assert not (root / "etc/cri-shim").exists()
    assert "restart containerd.service" not in calls(fake)


@pytest.mark.usefixtures("systemd")
def test_a_damaged_journal_says_what_is_left_to_do(root, fake, capsys):
    """It is neither replaced nor taken for an empty one."""
    assert setup(root, "-y") == 0
    (root / "var/lib/cri-shim/setup.json").write_text("{")
    for arguments in (["-y"], ["--undo", "-y"]):
        assert setup(root, *arguments) == 1
        assert "remove the journal" in " ".join(capsys.readouterr().err.split())
    assert (root / "var/lib/cri-shim/setup.json").read_text() == "{"


@pytest.mark.usefixtures("systemd")
def test_a_nested_crictl_file_stays(root, fake, capsys):
    """Its parser runs out of stack."""
    (root / "etc/crictl.yaml").write_text("[" * 20000)
    assert setup(root, "--dry-run") == 0
    assert "/etc/crictl.yaml stays as it is" in capsys.readouterr().out
