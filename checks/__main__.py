"""Judge this checkout by every rule: one line for each violation, and exit code 1 if there is any."""

from __future__ import annotations

import sys
from pathlib import Path

from checks import answers, circles, committed_files, file_length, folder_size, layers, picture, room_purpose, word_list
from checks.repository import Repository

RULES = (answers, circles, layers, file_length, folder_size, committed_files, room_purpose, word_list, picture)


def main(root: Path) -> int:
    """Print all violations, in the order of the rules, and return the exit code."""
    repository = Repository(root)
    violations = [violation for rule in RULES for violation in rule.check(repository)]
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
