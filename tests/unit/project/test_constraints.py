"""constraints.txt pins what pyproject.toml asks for, and `make constraints` writes it the same way each time."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.constraints import HEAD, supported, text, wanted

ROOT = Path(__file__).parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILE = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PINS = FILE.removeprefix(HEAD).splitlines()


def test_each_line_pins_one_package_exactly():
    """Normalised names, sorted, each once, in the form that the command writes."""
    assert [pin for pin in PINS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[\w.+!]+", pin)] == []
    names = [pin.partition("==")[0] for pin in PINS]
    assert sorted(set(names)) == sorted(names)
    assert FILE == text(PINS)


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    """The program, its extras, and the groups for tests and checks."""
    versions = dict(pin.split("==") for pin in PINS)
    asked = [Requirement(line) for line in wanted(PYPROJECT)]
    assert len(asked) > 20
    for requirement in asked:
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} and {version}; run make constraints"


def test_the_order_of_pips_answer_does_not_matter():
    """The same versions give the same file."""
    assert text(["b==2", "a==1"]) == text(["a==1", "b==2"]) == f"{HEAD}a==1\nb==2\n"


def test_pythons_are_those_of_the_classifiers_the_oldest_first():
    """As numbers: 3.9 is older than 3.10."""
    prefix = "Programming Language :: Python :: "
    named = [f"{prefix}{version}" for version in ("3", "3.10", "3.9", "3 :: Only")]
    assert supported({"classifiers": [*named, "Typing :: Typed"]}) == ["3.9", "3.10"]
    assert supported(PYPROJECT["project"])[0] == "3.11"


def test_both_environments_install_by_it():
    """make venv, make unit-with and the environment of the import contracts."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip .*install .*--group .*", makefile)
    assert len(installs) == 3
    assert [line for line in installs if "--constraint constraints.txt" not in line] == []
