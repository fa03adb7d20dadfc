"""The shells complete every command, option and fixed value of the argument parser, and names of files."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from cri_shim import cli
from cri_shim.completion.parser_tree import read_parser
from cri_shim.completion.scripts import script
from tests.unit.completion import shells

PROGRAM = read_parser(cli.make_parser())
COMMANDS = list(PROGRAM.walk())
SHELLS = {"bash": shells.bash, "fish": shells.fish}
NAMES = [command.name for command in COMMANDS]


@pytest.fixture(params=SHELLS, scope="module")
def shell(request, tmp_path_factory):
    """A function from the words of a command line to what a shell proposes for the last one."""
    directory = tmp_path_factory.mktemp(request.param)
    file = directory / "script"
    file.write_text(script(request.param, cli.make_parser()))
    (directory / "home").mkdir()
    (directory / "home/a file.toml").touch()
    (directory / "home/a directory").mkdir()
    return lambda *words: SHELLS[request.param](file, list(words), directory / "home")


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_option_of_every_command(shell, command):
    """Long ones and short ones, and none of another command."""
    words = command.words
    flags = {flag for option in command.options for flag in option.flags}
    offered = set(shell(*words, "--"))
    assert offered == {flag for flag in flags if flag.startswith("--")}
    assert {flag[:2] for flag in shell(*words, "-")} >= {flag for flag in flags if not flag.startswith("--")}


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.commands], ids=lambda one: one.name)
def test_every_command(shell, command):
    """Those below each command, and also behind an option with a value."""
    below = {one.words[-1] for one in command.commands}
    assert set(shell(*command.words, "")) == below


def test_values(shell):
    """The accepted values of an option and of an argument, and those that the name of an argument proposes."""
    assert set(shell("cri-shim", "doctor", "-o", "")) == {"text", "json"}
    assert shell("cri-shim", "doctor", "--ignore", "doctor", "--output", "j") == ["json"]
    assert set(shell("cri-shim", "completion", "")) == {"bash", "zsh", "fish"}
    assert set(shell("cri-shim", "hops", "")) == {"show", "slowest", "calibrate", "record", "open"}


def test_files(shell):
    """Any file where one is read, and only directories where a directory is meant."""
    (offered,) = shell("cri-shim", "config", "check", "a\\ f")[:1] or shell("cri-shim", "config", "check", "a f")
    assert offered.replace("\\", "") == "a file.toml"
    assert [one.replace("\\", "").rstrip("/") for one in shell("cri-shim", "setup", "--root", "a")] == ["a directory"]
    assert shell("cri-shim", "doctor", "a") == []


def test_bash_takes_an_equals_sign_for_a_word(tmp_path):
    """--option=value is three words there."""
    file = tmp_path / "script"
    file.write_text(script("bash", cli.make_parser()))
    assert shells.bash(file, ["cri-shim", "doctor", "--output", "=", "j"], tmp_path) == ["json"]
    assert set(shells.bash(file, ["cri-shim", "doctor", "--output", "="], tmp_path)) == {"text", "json"}
    after = ["cri-shim", "doctor", "--output", "=", "json", "--st"]
    assert shells.bash(file, after, tmp_path) == ["--strict"]


@pytest.fixture(scope="module")
def zsh(tmp_path_factory):
    """A function that waits until the terminal of a zsh shows texts after words and a tab."""
    directory = tmp_path_factory.mktemp("zsh")
    file = directory / "script"
    file.write_text(script("zsh", cli.make_parser()))
    with shells.zsh(file, directory) as terminal:
        yield lambda *words, wanted: terminal.shows(list(words), wanted)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_zsh_shows_options_and_commands_with_their_help(zsh, command):
    """Each is in the list, with the beginning of what --help says of it."""
    flags = [next(flag for flag in one.flags if flag.startswith("--")) for one in command.options]
    zsh(*command.words, "--", wanted=_offered(flags, [one.help for one in command.options]))
    if command.commands:
        below = [one.words[-1] for one in command.commands]
        zsh(*command.words, "", wanted=_offered(below, [one.help for one in command.commands]))


def _offered(names, helps):
    """What zsh shows of names: all of them with their help, or the name alone if there is only one to insert."""
    return [*names, *(text[:20] for text in helps)] if len(names) > 1 else names


def test_zsh_completes_values(zsh):
    """A value that is the only one is inserted."""
    zsh("cri-shim", "doctor", "--output=j", wanted=["--output=json"])
    zsh("cri-shim", "completion", "f", wanted=["completion fish"])


def test_a_terminal_with_bash(tmp_path):
    """A tab completes the word, as a user sees it."""
    file = tmp_path / "script"
    file.write_text(script("bash", cli.make_parser()))
    (tmp_path / "a file.toml").touch()
    with shells.bash_in_a_terminal(file, tmp_path) as terminal:
        terminal.shows(["cri-shim", "completion", "f"], ["completion fish"])
        terminal.shows(["cri-shim", "config", "check", "a"], ["a\\ file.toml"])


@pytest.mark.parametrize("name", ["bash", "fish", "zsh"])
def test_texts_with_every_quote(name, tmp_path):
    """Help that contains what a shell gives a meaning to is data, and the script stays one that the shell reads."""
    parser = argparse.ArgumentParser(prog="cri-shim")
    hostile = 'it\'s $(touch hurt) `touch hurt` "x" [y]: \\ ; & > hurt'
    parser.add_argument("--option", metavar="X:[Y]'", help=hostile)
    commands = parser.add_subparsers()
    commands.add_parser("below", help=hostile)
    file = tmp_path / "script"
    file.write_text(script(name, parser))
    if name == "zsh":
        with shells.zsh(file, tmp_path) as terminal:
            terminal.shows(["cri-shim", "bel"], ["below"])
            terminal.shows(["cri-shim", "--"], ["it's $(touch hurt)", "`touch hurt`"])
    else:
        assert SHELLS[name](file, ["cri-shim", "bel"], tmp_path) == ["below"]
        assert "--option" in SHELLS[name](file, ["cri-shim", "--"], tmp_path)
    assert not Path(tmp_path, "hurt").exists()


@pytest.mark.parametrize("name", ["bash", "fish", "zsh"])
def test_the_command_prints_the_script(name, capsys):
    """And nothing else."""
    assert cli.main(["completion", name]) == 0
    assert capsys.readouterr().out == script(name, cli.make_parser())
