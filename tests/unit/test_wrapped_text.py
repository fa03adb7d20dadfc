"""Sentences in lines: where they break, and what is never broken."""

from __future__ import annotations

import ast
from pathlib import Path

from cri_shim.wrapped_text import wrapped

CHECKOUT = Path(__file__).resolve().parents[2]


def test_lines_break_between_words_only():
    """A path, a flag and a hyphened word stay whole, so that they can be copied."""
    assert wrapped("set --log-level in /etc/a-long-name", 12, first="* ", further="  ") == [
        "* set",
        "  --log-level",
        "  in",
        "  /etc/a-long-name",
    ]


def test_long_words_are_cut_on_request():
    """For what must fit in any case."""
    assert wrapped("abcdefgh", 5, further="  ", cut_words=True) == ["abcde", "  fgh"]


def test_no_text_is_one_line():
    """A heading stays when nothing follows it."""
    assert wrapped("", first="name  ") == ["name"]


def test_commands_have_no_other_wrapper():
    """Four of them had drifted apart. A report is Markdown, whose lines have another width and other rules."""
    users = [
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "cri_shim").rglob("*.py")
        if any(
            isinstance(node, ast.Import) and any(name.name == "textwrap" for name in node.names)
            for node in ast.walk(ast.parse(path.read_bytes()))
        )
    ]
    assert sorted(users) == ["cri_shim/bench/report/markdown.py", "cri_shim/wrapped_text.py"]
