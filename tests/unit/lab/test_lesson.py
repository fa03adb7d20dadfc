"""Pages of the lab: how they are read, and how output is held to them."""

from __future__ import annotations

import re
import time

import pytest

from lab.lesson.command_table import PAGE as PAGE_OF_COMMANDS
from lab.lesson.command_table import commands
from lab.lesson.command_table import main as run_table
from lab.lesson.expectation import first_missing
from lab.lesson.page import SECONDS, PageError, read_page
from lab.lesson.shell import Shell, ShellError
from lab.lesson.walk import BESIDE, main, pages, walk
from lab.patience import patient

PAGE = """\
# A title

<!-- playground: --side docker -->

Look.

```sh
echo one
```

```text
one
```

And now:

```sh
echo two
```

```json
{"shown": "to the reader only"}
```

**Question.** Why?
"""


def written(tmp_path, text):
    path = tmp_path / "01-a.md"
    path.write_text(text, encoding="utf-8")
    return read_page(path)


def test_a_page(tmp_path):
    page = written(tmp_path, PAGE)
    assert (page.title, page.playground) == ("A title", ("--side", "docker"))
    assert [(step.commands, step.expected) for step in page.steps] == [("echo one", ["one"]), ("echo two", [])]
    assert page.steps[1].prose == "And now:"
    assert page.rest.startswith("```json")


@pytest.mark.parametrize(
    "text", ["# T\n```text\nx\n```\n", "# T\n```sh\nx\n```\nwords\n```text\nx\n```\n", "# T\n```sh\nx\n"]
)
def test_a_page_that_is_not_in_order(text, tmp_path):
    with pytest.raises(PageError, match=r"01-a\.md:\d"):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("expected", "output", "missing"),
    [
        (["a", "c"], "a\nb\nc\n", ""),
        (["c", "a"], "a\nb\nc\n", "a"),
        (["… READY …"], "POD  1   READY   now\n", ""),
        (["READY"], "NOTREADY\n", "READY"),
        (["…", "x"], "x\n", ""),
        (["a.c"], "abc\n", "a.c"),
        (["a"], "", "a"),
    ],
)
def test_expectations(expected, output, missing):
    assert first_missing(expected, output) == missing


def test_a_shell_remembers():
    """Variables and functions stay; the exit code is that of the last command; nothing reads the next commands."""
    with Shell() as shell:
        assert shell.run("x=5; f() { echo $x; }") == (0, "")
        assert shell.run("f; cat; false") == (1, "5\n")
        assert shell.run("cat <<'END'\n$x\nEND\necho to-stderr >&2") == (0, "$x\nto-stderr\n")


def test_a_shell_shows_each_line_at_once_and_ends_what_takes_too_long():
    """A reader of a command of many minutes sees how far it is."""
    shown: list[str] = []
    with Shell() as shell:
        assert shell.run("echo a; echo b", show=shown.append) == (0, "a\nb\n")
        assert shown == ["a\n", "b\n"]
        begun = time.monotonic()
        with pytest.raises(ShellError, match=r"within 1 s of: echo begun; sleep 600\nbegun"):
            shell.run("echo begun; sleep 600", seconds=1)
        assert time.monotonic() < begun + patient(60)


def test_a_command_that_takes_too_long_can_clean_up():
    """A comparison that is ended removes its pods; one that does not end is killed."""
    cleans = "bash -c 'trap \"echo cleaned\" TERM; echo begun; sleep 600'"
    with Shell() as shell, pytest.raises(ShellError, match=r"begun\n(.*\n)*cleaned"):
        shell.run(cleans, seconds=1)


def test_a_command_that_does_not_end_is_killed(monkeypatch):
    """After a time in which it could have cleaned up."""
    monkeypatch.setattr("lab.lesson.shell.GRACE", 0.5)
    begun = time.monotonic()
    with Shell() as shell, pytest.raises(ShellError, match="begun"):
        shell.run("bash -c 'trap \"\" TERM; echo begun; sleep 600'", seconds=1)
    assert time.monotonic() < begun + patient(60)


def test_how_long_a_block_may_take(tmp_path):
    """The page says it where it is longer than for most."""
    assert written(tmp_path, PAGE).seconds == SECONDS
    assert written(tmp_path, PAGE.replace("Look.", "<!-- seconds: 900 -->")).seconds == 900


def test_a_command_that_fails_is_noticed_without_an_expectation(tmp_path, capsys):
    """Where the page shows what is printed, an exit code may be part of the lesson."""
    page = written(tmp_path, "# T\n```sh\nfalse\n```\n```sh\nfalse\n```\n```text\n…\n```\n```sh\ntrue\n```\n")
    (failure,) = walk(page, ask=False)
    assert failure.startswith("line 2: exit code 1")
    assert "NOT AS EXPECTED: exit code 1" in capsys.readouterr().out


def test_every_page_can_be_read():
    """Each has a title, commands with what they print, a question and an answer."""
    assert pages()
    for path in pages():
        page = read_page(path)
        assert page.title
        assert any(step.expected for step in page.steps)
        assert "**Question.**" in page.rest
        assert "<summary>Answer</summary>" in page.rest
        assert f"({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")


def test_the_ten_exercises_are_there():
    """In the order of their numbers; the page about crictl is walked through only when it is named."""
    assert [path.name[:2] for path in pages()] == [f"{number:02}" for number in range(1, 11)]
    assert [path.name for path in pages(["4", "crictl"])] == ["04-kill-each-process.md", "crictl.md"]
    assert read_page(BESIDE).steps


def test_the_table_of_commands():
    """Row by row, with what they need; every row has a command of crictl, and those with two begin with Docker's."""
    needed, table = commands(PAGE_OF_COMMANDS.read_text(encoding="utf-8"))
    assert "second-pod.json" in needed
    assert table[:3] == ["docker ps", "crictl ps", "docker ps --all"]
    assert f"{len(table)} of {len(table)} commands have done" in pages(["6"])[0].read_text(encoding="utf-8")
    assert all(re.match(r"docker |(\w+=\$\()?crictl ", command) for command in table)
    with pytest.raises(ValueError, match="no table"):
        commands("# A page\n")


def test_a_command_of_the_table_that_fails(tmp_path, capsys, monkeypatch):
    """Its output is shown, and the others are run all the same."""
    monkeypatch.setattr("lab.lesson.command_table.ENVIRONMENT", tmp_path / "env")
    (tmp_path / "env").write_text("", encoding="utf-8")
    table = (
        "| to | Docker | crictl |\n| --- | --- | --- |\n| a | `echo no; false` | `test $needed = yes` |\n\n`false`\n"
    )
    (tmp_path / "page.md").write_text(f"```sh\nneeded=yes\n```\n{table}", encoding="utf-8")
    assert run_table([str(tmp_path / "page.md")]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "FAILED  echo no; false",
        "no",
        "",
        "ok  test $needed = yes",
        "1 of 2 commands have done what they say",
    ]


def test_a_page_that_there_is_not(capsys):
    assert main(["77"]) == 2
    assert "no such page; there are: 01" in capsys.readouterr().err


def test_without_a_playground(monkeypatch, tmp_path, capsys):
    """The way to one is named."""
    monkeypatch.setattr("lab.lesson.walk.ENVIRONMENT", tmp_path / "env")
    assert main(["5", "--yes"]) == 1
    assert 'make up ARGS="--side docker"' in capsys.readouterr().err


@pytest.mark.parametrize("path", [*pages(), BESIDE], ids=lambda path: path.name)
def test_pages_read_no_file_of_the_folder_they_begin_in(path):
    """A reader begins a page in the checkout: a file has been made on the page, or is addressed by ``$NODE``."""
    commands = "\n".join(step.commands for step in read_page(path).steps)
    made = set(re.findall(r"(?:> |--output |hops record )([\w.-]+)", commands))
    read = set(re.findall(r"(?<=[ (])(?:\$name|[\w-]+)\.(?:json|recording)\b", commands))
    assert read <= made
