"""The names that a source file gives: what it defines, assigns, takes as an argument or renames in an import."""

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
_INTERPOLATION = re.compile(r"\$\{([^{}]*)\}")


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
            for code in _INTERPOLATION.findall(match["text"]):
                for name in names_in_javascript(code):
                    names.setdefault(name, line)
    return names
