"""ruff reports every public module, class, function and method without a docstring, in each of the packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checks.repository import PACKAGES

ROOT = Path(__file__).parents[3]
BARE = '''\
class Public:
    def method(self):
        return 1

    def _private(self):
        return 1

    class Inner:
        """Inner."""

        @property
        def value(self):
            return 1


def function():
    return 1


async def coroutine():
    return 1


def _private():
    return 1
'''


def reported(path: str) -> list[tuple[str, int]]:
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=json", f"--stdin-filename={path}", "-"],
        cwd=ROOT,
        input=BARE,
        capture_output=True,
        text=True,
        check=False,
    )
    reports = [(each["code"], each["location"]["row"]) for each in json.loads(result.stdout)]
    return [each for each in reports if each[0].startswith("D1")]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_need_a_docstring(package):
    assert reported(f"{package}/some_room/new.py") == [
        ("D100", 1),
        ("D101", 1),
        ("D102", 2),
        ("D102", 12),
        ("D103", 16),
        ("D103", 20),
    ]


def test_no_file_of_the_packages_is_exempt():
    """Neither by a comment nor by a whole file's exemption in pyproject.toml, which the test above would not see."""
    exempt = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            lines = file.read_text().splitlines()
            exempt += [f"{file}: {line}" for line in lines if "noqa" in line and (": D1" in line or ", D1" in line)]
    assert exempt == []
