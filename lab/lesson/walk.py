"""Walk through exercises: ``make lab``, or ``python -m lab.lesson.walk [NUMBER …] [--yes]``.

Each step is shown and then run when the reader presses Enter, in a shell with the playground's environment. What it
prints is compared with the page. The exit code is 0 only if every step held.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.lesson.expectation import first_missing
from lab.lesson.page import Page, PageError, read_page
from lab.lesson.shell import Shell, ShellError
from lab.playground.environment import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = Path(__file__).resolve().parents[2] / "docs" / "lab"
BESIDE = PAGES.parent / "crictl.md"
"""A page with commands that is no exercise."""
_DETAILS = re.compile(r"</?details>|</?summary>|<!--.*?-->", re.DOTALL)


def pages(numbers: Sequence[str] = ()) -> list[Path]:
    """Return the exercises, all or those whose names begin with these numbers; ``crictl`` is that page of docs."""
    every = sorted(PAGES.glob("[0-9][0-9]-*.md"))
    wanted = {number.zfill(2) for number in numbers}
    beside = [BESIDE] if BESIDE.stem in numbers else []
    return [path for path in every if not wanted or path.name[:2] in wanted] + beside


def walk(page: Page, *, ask: bool) -> list[str]:
    """Show and run the steps of a page; return a sentence for each that did not hold."""
    failures = []
    print(f"\n== {page.title}\n")
    with Shell() as shell:
        shell.run(f"source {ENVIRONMENT}; cd {ENVIRONMENT.parent}")
        for step in page.steps:
            print(_readable(step.prose))
            print("\n".join(f"  $ {line}" for line in step.commands.splitlines()))
            if ask:
                input("  [Enter] ")
            code, output = shell.run(step.commands, page.seconds, _print_indented)
            print()
            if missing := first_missing(step.expected, output):
                failures.append(f"line {step.line}: expected {missing!r}, exit code {code}, and saw:\n{output}")
                print(f"  NOT AS EXPECTED: the page has: {missing}")
            elif code and not step.expected:
                failures.append(f"line {step.line}: exit code {code}, and saw:\n{output}")
                print(f"  NOT AS EXPECTED: exit code {code}")
    print(_readable(page.rest))
    return failures


def _print_indented(line: str) -> None:
    """Print a line of a command's output below the command."""
    print("  " + line.rstrip("\n"), flush=True)


def _readable(text: str) -> str:
    """Return Markdown as it reads in a terminal."""
    return re.sub(r"\n{3,}", "\n\n", _DETAILS.sub("", text)).strip("\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk through the chosen pages."""
    parser = argparse.ArgumentParser(prog="make lab", description="Walk through the exercises of docs/lab.")
    parser.add_argument("page", nargs="*", help="numbers of pages (default: all)")
    parser.add_argument("--yes", action="store_true", help="run each step without asking")
    options = parser.parse_args(arguments)
    chosen = pages(options.page)
    if not chosen:
        print(f"no such page; there are: {' '.join(path.name[:2] for path in pages())}", file=sys.stderr)
        return 2
    try:
        read = [read_page(path) for path in chosen]
    except PageError as error:
        print(error, file=sys.stderr)
        return 2
    if not ENVIRONMENT.exists():
        needed = " ".join(dict.fromkeys(word for page in read for word in _pairs(page.playground)))
        print(f'the playground is not up: run make up ARGS="{needed}"', file=sys.stderr)
        return 1
    failures = []
    for path, page in zip(chosen, read, strict=True):
        try:
            failures += [f"{path.name}: {failure}" for failure in walk(page, ask=not options.yes)]
        except ShellError as error:
            failures.append(f"{path.name}: {error}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _pairs(arguments: Sequence[str]) -> list[str]:
    """Return options with their values, each as one word."""
    return [" ".join(pair) for pair in zip(arguments[::2], arguments[1::2], strict=True)]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
