"""docs/architecture.md names lines of the code; each must be the line where the symbol beside it is defined.

An answer looks like ``[sync/exits.py:12](../cri_shim/sync/exits.py#L12) `Exits._written` ``. The numbers are renewed by
``python -m checks.answers``, which is a part of ``make picture``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from checks.repository import Repository
from checks.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = "docs/architecture.md"
_ANSWER = re.compile(r"\[(?P<name>[\w/.]+):\d+\]\(\.\./(?P<path>[\w/.]+)#L\d+\) `(?P<symbol>[\w.]+)`")


def check(repository: Repository) -> list[Violation]:
    """Return a violation for each line of the page that names another line than that of its symbol."""
    if PAGE not in repository.files:
        return []
    text = repository.text(PAGE)
    try:
        renewed = renew(repository, text)
    except LookupError as error:
        return [Violation(PAGE, 1, str(error.args[0]))]
    wrong = (
        number
        for number, pair in enumerate(zip(text.split("\n"), renewed.split("\n"), strict=True), 1)
        if len(set(pair)) > 1
    )
    return [Violation(PAGE, number, "names a line that its symbol has left: run make picture") for number in wrong]


def renew(repository: Repository, text: str) -> str:
    """Return ``text`` with the lines as they are now; raises LookupError naming an answer without its symbol."""

    def answer(match: re.Match[str]) -> str:
        path, symbol = match["path"], match["symbol"]
        if path not in repository.files:
            raise LookupError(f"names {path}, which does not exist: name the file where {symbol} is now")
        line = _line_of(repository.tree(path).body, symbol.split("."))
        if line is None:
            raise LookupError(f"names {symbol}, which {path} does not define: name what replaced it")
        return f"[{match['name']}:{line}](../{path}#L{line}) `{symbol}`"

    return _ANSWER.sub(answer, text)


def _line_of(body: Sequence[ast.stmt], names: Sequence[str]) -> int | None:
    """Return the line of the definition ``names`` (outermost first) in ``body``."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == names[0]:
            return node.lineno if len(names) == 1 else _line_of(node.body, names[1:])
    return None


if __name__ == "__main__":
    (Path.cwd() / PAGE).write_text(renew(Repository(Path.cwd()), (Path.cwd() / PAGE).read_text("utf-8")), "utf-8")
    print(PAGE)
