"""No file is longer than 400 lines: a longer one holds more than one idea."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.repository import is_script
from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository

LONGEST = 400


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each Python, JavaScript or shell file that is too long."""
    violations = []
    for path in repository.files:
        if not path.endswith((".py", ".js", ".sh")) and not is_script(repository, path):
            continue
        lines = len(repository.text(path).splitlines())
        if lines > LONGEST:
            violations.append(Violation(path, LONGEST + 1, f"{lines} lines, {LONGEST} at most: split it by idea"))
    return violations
