"""The tables of docs/performance.md say what the results in docs/data say."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from cri_shim.bench.report.files import markdown_files
from cri_shim.bench.results.result_file import load

DOCS = Path(__file__).parents[4] / "docs"
RESULTS = sorted(path.stem for path in (DOCS / "data").glob("performance*.json"))
MORE = "## Where bridge takes more than plugin"


def section(name: str) -> str:
    """The part of the page that names a result, up to the next heading of its kind."""
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    (part_of_name,) = [part for part in re.split(r"^## ", page, flags=re.MULTILINE) if f"(data/{name}.json)" in part]
    return part_of_name


def numbers(text: str) -> list[str]:
    """The rows of tables and the items of lists."""
    return [line for line in text.splitlines() if line.startswith(("| ", "- "))]


def unquoted(command: str) -> str:
    """A command without quotes: a result has it as the shell has left it."""
    return re.sub(r"[\"'\\]", "", command)


def bridge_settings(command: str) -> list[str]:
    """The settings of the daemon, as they arrive when the command is typed: a shell and that of make read it."""
    (arguments,) = [word.removeprefix("ARGS=") for word in shlex.split(command) if word.startswith("ARGS=")]
    words = shlex.split(arguments)
    return [value for flag, value in itertools.pairwise(words) if flag == "--bridge"]


def report(data: Path) -> str:
    """The whole report of a result."""
    return markdown_files(load(data), None, "report.md", "report")["report.md"]


def wanted(whole: str) -> list[str]:
    """Of a whole report, the main table and what the bridge takes more for, with a verdict."""
    main, rest = re.split(r"^## ", whole, maxsplit=1, flags=re.MULTILINE)[0], whole.split(MORE)[1]
    main = re.sub(r"^- \*\*.*$", "", main, flags=re.MULTILINE)  # what a side does otherwise
    return numbers(main) + numbers(re.split(r"^(?:## |Without a verdict)", rest, maxsplit=1, flags=re.MULTILINE)[0])


def test_the_run_is_there():
    """Others may be beside it."""
    assert "performance" in RESULTS


@pytest.mark.parametrize("name", RESULTS)
def test_every_number_is_the_results(name):
    """The main table and the list of what takes more, row by row and in their order; the day and how many verdicts."""
    whole = report(DOCS / "data" / f"{name}.json")
    text = section(name)
    assert numbers(text) == wanted(whole)
    (day,) = re.findall(r"Measured on (.*?)\.", whole)
    assert f"{day}; result: " in text
    (verdicts,) = re.findall(r"\*\*bridge\*\*: (of .*?) \(where", " ".join(whole.split()))
    assert verdicts in text


@pytest.mark.parametrize("name", RESULTS)
def test_the_command_is_beside_the_numbers(name):
    """A reader can do it again: the command is the result's, apart from where it writes to and how it is quoted."""
    command = re.sub(r" --output \S+ --html \S+ --markdown [^\s\"]+", "", load(DOCS / "data" / f"{name}.json").command)
    (shown,) = re.findall(r"^make compare .*$", section(name), re.MULTILINE)
    assert unquoted(shown.replace(f" --output results/{name}.json", "")) == unquoted(command)
    tomllib.loads("\n".join(bridge_settings(shown)))  # as lab.compare reads them


def test_a_changed_number_would_be_noticed(tmp_path):
    """With another number in the result, another table comes out."""
    data = DOCS / "data" / "performance.json"
    metric, (value, *_) = next(iter(load(data).steps[0].rounds[0].side_runs["bridge"].samples.items()))
    changed = tmp_path / "changed.json"
    changed.write_text(
        data.read_text(encoding="utf-8").replace(f'"{metric}":[{value}', f'"{metric}":[999999.0'), encoding="utf-8"
    )
    assert report(changed) != report(data)
