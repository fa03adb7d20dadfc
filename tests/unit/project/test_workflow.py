"""The workflow of the hosted runner does what the makefile and the classifiers promise."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FILE = ROOT / ".github/workflows/check.yml"
CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def workflow() -> dict[Any, Any]:
    """The workflow; YAML 1.1 reads its key ``on`` as true."""
    document: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document


def job() -> dict[str, Any]:
    """Its one job."""
    (only_job,) = workflow()["jobs"].values()
    return dict(only_job)


def test_it_runs_on_every_change():
    """Pushes and pull requests, with no right to write."""
    assert set(workflow()[True]) == {"push", "pull_request"}
    assert workflow()["permissions"] == {"contents": "read"}


def test_its_pythons_are_those_of_the_classifiers():
    """The oldest is the one that the project requires, and each is a string: 3.10 as a number would be 3.1."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pythons = job()["strategy"]["matrix"]["python"]
    assert pythons == [match[1] for line in project["classifiers"] if (match := CLASSIFIER.fullmatch(line))]
    assert project["requires-python"] == f">={pythons[0]}"


def test_its_targets_are_the_makefiles():
    """Check and unit, both on every Python."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = job()["strategy"]["matrix"]["target"]
    assert targets == ["check", "unit"]
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    assert [step["run"] for step in job()["steps"] if "run" in step] == [
        'make ${{ matrix.target }} PYTHON="$(command -v python)"'
    ]


def test_nothing_but_the_two_actions_is_fetched_by_name():
    """No registry is named: the runner's own settings say where packages come from."""
    text = FILE.read_text(encoding="utf-8")
    assert re.findall(r"\w+://|index-url", text) == []
    assert [step["uses"].partition("@")[0] for step in job()["steps"] if "uses" in step] == [
        "actions/checkout",
        "actions/setup-python",
    ]
