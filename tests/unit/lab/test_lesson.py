"""Pages of the lab: how they are read, and how output is held to them."""

from __future__ import annotations

import pytest

from lab.lesson.expectation import first_missing
from lab.lesson.page import PageError, read_page
from lab.lesson.shell import Shell
from lab.lesson.walk import main, pages

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


def test_a_page_that_there_is_not(capsys):
    assert main(["77"]) == 2
    assert "no such page; there are: 01" in capsys.readouterr().err


def test_without_a_playground(monkeypatch, tmp_path, capsys):
    """The way to one is named."""
    monkeypatch.setattr("lab.lesson.walk.ENVIRONMENT", tmp_path / "env")
    assert main(["5", "--yes"]) == 1
    assert 'make up ARGS="--side docker"' in capsys.readouterr().err
