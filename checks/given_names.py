"""The names that a source file gives: what it defines, assigns, takes as an argument or renames in an import.

Style sheets give names of classes, ids and variables, and shell scripts give variables and functions.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JAVASCRIPT_TEXT = re.compile(
    r"""
    (?P<text> /\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*` )
    | (?P<name> [A-Za-z_$][\w$]* )
    """,
    re.VERBOSE | re.DOTALL,
)
_STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLE_NAME = re.compile(r"(?:[.#]|--)(?P<name>[A-Za-z_][\w-]*)(?=[^{};]*[{:])")
_SHELL_NAME = re.compile(
    r"""
    (?:^|[;&|]|\b(?:local|export|readonly|declare|then|do)\s) \s* (?P<variable> [A-Za-z_]\w* ) \+?=
    | \bfor \s+ (?P<counter> [A-Za-z_]\w* ) \s+ in\b
    | ^ \s* (?P<function> [A-Za-z_]\w* ) \s* \(\)
    """,
    re.VERBOSE | re.MULTILINE,
)


def names_in_python(tree: ast.Module) -> dict[str, int]:
    """Return every name with the first line that gives it."""
    names: dict[str, int] = {}
    for node in ast.walk(tree):
        for name in _given_by(node):
            line = getattr(node, "lineno", 1)
            names[name] = min(line, names.get(name, line))
    return names


def _given_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.arg(arg=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name
        case ast.alias(asname=str(name)):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            yield from (keyword.arg for keyword in keywords if keyword.arg is not None)


def names_in_javascript(text: str) -> dict[str, int]:
    """Return every identifier with its first line, outside comments and strings.

    Nothing here knows JavaScript's grammar, so names that a file only uses are among them. The page has no libraries,
    and the names of the browser do not use words of the list.
    """
    names: dict[str, int] = {}
    for match in _JAVASCRIPT_TEXT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["name"] is not None:
            names.setdefault(match["name"], line)
        elif match["text"].startswith("`"):
            for code in _interpolated(match["text"]):
                for name in names_in_javascript(code):
                    names.setdefault(name, line)
    return names


def _interpolated(template: str) -> Iterator[str]:
    """Yield the code between ``${`` and the brace that closes it, with the braces that it has inside."""
    start, depth = 0, 0
    for place, character in enumerate(template):
        if depth == 0 and template.startswith("{", place) and template[place - 1] == "$":
            start, depth = place + 1, 1
        elif depth and character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                yield template[start:place]


def names_in_style_sheet(text: str) -> dict[str, int]:
    """Return every class, id and variable with its first line. A dash parts words as an underscore does."""
    names: dict[str, int] = {}
    text = _STYLE_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    for match in _STYLE_NAME.finditer(text):
        names.setdefault(match["name"], text.count("\n", 0, match.start()) + 1)
    return names


def names_in_shell(text: str) -> dict[str, int]:
    """Return every variable and function of a shell script with its first line."""
    names: dict[str, int] = {}
    for match in _SHELL_NAME.finditer(text):
        name = next(filter(None, match.groups()))
        names.setdefault(name, text.count("\n", 0, match.start(match.lastgroup or 0)) + 1)
    return names
