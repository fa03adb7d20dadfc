"""The manual has every command, option and key, says of them what ``--help`` says, and is well-formed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache

import pytest

from cri_shim import cli
from cri_shim.completion.parser_tree import read_parser
from cri_shim.config import Config, document
from lab.packaging.config_page import config_page
from lab.packaging.manual import CONFIG_PAGE, manual

PROGRAM = read_parser(cli.make_parser())
PAGES = {**manual(PROGRAM, "1.2.3", "2026-01-02"), CONFIG_PAGE: config_page("1.2.3", "2026-01-02")}
COMMANDS = list(PROGRAM.walk())
WIDE = {**os.environ, "COLUMNS": "1000", "MANWIDTH": "1000", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "PAGER": "cat"}


def page_of(command) -> str:
    """The name of the page that has a command: that of the first word, for those below it."""
    return f"{'-'.join(command.words[:2])}.1"


@cache
def shown(name: str) -> str:
    """A page as it is read, in one line and without backquotes."""
    text = re.sub(r"\\f[BIR]", "", PAGES[name])
    for escape, character in (("(rs", "\\"), ("(aq", "'"), ("(ha", "^"), ("(ti", "~"), ("-", "-"), ("&", "")):
        text = text.replace(f"\\{escape}", character)
    return folded(text)


def folded(text: str) -> str:
    """Text in one line, without backquotes, which are bold in the manual."""
    return " ".join(text.replace("`", "").split())


def test_one_page_for_each_command():
    """Its name is that of the command, with a hyphen; and one for the program and its file."""
    of_commands = {f"cri-shim-{command.words[-1]}.1" for command in PROGRAM.commands}
    assert set(PAGES) == {"cri-shim.1", "cri-shim-config.5", *of_commands}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.name)
def test_the_page_says_what_help_says(command, capsys, monkeypatch):
    """Description, usage and every option with its text: those of --help, all of them."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        cli.main([*command.words[1:], "--help"])
    said, page = folded(capsys.readouterr().out), shown(page_of(command))
    for text in (command.description, *(option.help for option in command.options)):
        assert folded(text) in said
        assert folded(text) in page
    for option in command.options:
        assert all(flag in page for flag in option.flags)
    flags_in_help = set(re.findall(r"(?<=[\s\[])--[a-z][a-z-]*", said))
    assert flags_in_help >= {flag for one in command.options for flag in one.flags if flag.startswith("--")}
    for argument in command.arguments:
        assert f"{argument.value.name} {folded(argument.help) or '(required)'}" in page
    assert folded(command.usage) in said
    assert folded(command.usage) in page


def test_every_key_with_its_default():
    """As `cri-shim config default` prints them."""
    page = shown(CONFIG_PAGE)

    def check(values, path=()):
        for name, value in values.items():
            if isinstance(value, dict):
                assert f"[{'.'.join((*path, name))}" in page
                check(value, (*path, name))
            else:
                assert f"{name} = " in page

    check(document(Config()))
    for line in _default_lines():
        assert folded(line) in page


def _default_lines() -> list[str]:
    """The keys and comments of the default file, from the first key on."""
    from cri_shim.config import default_toml

    _, _, body = default_toml().partition("\n\n")
    return [line.removeprefix("# ") for line in body.splitlines() if line]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_well_formed(name, tmp_path):
    """Neither groff nor mandoc has a remark."""
    file = tmp_path / name
    file.write_text(PAGES[name])
    tools = [
        command
        for command in (
            ["man", "--warnings", "--encoding=UTF-8", "--local-file", str(file)],
            ["mandoc", "-Tlint", "-Wwarning", str(file)],
        )
        if shutil.which(command[0])
    ]
    if not tools:
        pytest.skip("there is neither man nor mandoc on this machine")
    for command in tools:
        done = subprocess.run(command, env=WIDE, capture_output=True, text=True, timeout=60, check=False)
        remarks = done.stderr + (done.stdout if command[0] == "mandoc" else "")
        assert (done.returncode, remarks) == (0, "")


def test_a_line_that_begins_like_a_request():
    """A dot or a quote at the beginning is text, and a backslash is itself."""
    from lab.packaging.roff import escaped, prose

    assert escaped(".SH x") == "\\&.SH x"
    assert not escaped("'br").startswith("'")
    assert escaped("a\\b-c") == "a\\(rsb\\-c"
    assert prose("run `a -b` now") == "run \\fBa \\-b\\fR now"
