"""Run every command of the table in docs/crictl.md: ``python -m lab.lesson.command_table``.

Each row is something to do, once with Docker's command line and once with crictl. All commands run in one shell, from
the first row to the last, so that a later one may use what an earlier one has made.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.lesson.shell import Shell
from lab.playground.environment import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).resolve().parents[2] / "docs" / "crictl.md"
_CODE = re.compile(r"`([^`]+)`")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = "| to | Docker | crictl |"


def commands(page: str) -> tuple[str, list[str]]:
    """Return the block before the table, which makes what it needs, and the table's commands, row by row.

    Raises ValueError for a page without the table.
    """
    before, _, table = page.partition(f"{_HEADING}\n")
    if not table:
        raise ValueError(f"the page has no table {_HEADING}")
    rows = itertools.takewhile(lambda line: line.startswith("|"), table.splitlines()[1:])
    return _BLOCK.findall(before)[-1], [command for row in rows for command in _CODE.findall(row)]


def main(arguments: Sequence[str] = ()) -> int:
    """Run them all; return 1 if one failed."""
    needed, table = commands(Path(arguments[0] if arguments else PAGE).read_text(encoding="utf-8"))
    failed = 0
    with Shell() as shell:
        shell.run(f"source {ENVIRONMENT}; cd {ENVIRONMENT.parent}\n{needed}")
        for command in table:
            code, output = shell.run(command)
            failed += code != 0
            print(f"{'ok' if code == 0 else 'FAILED'}  {command}", flush=True)
            if code:
                print(output, flush=True)
    print(f"{len(table) - failed} of {len(table)} commands have done what they say")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
