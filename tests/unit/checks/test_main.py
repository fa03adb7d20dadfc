"""``python -m checks`` prints a line for each violation and exits with 1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from checks.__main__ import RULES

ROOT = Path(__file__).parents[3]


def run(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "checks"],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_violations_of_several_rules(checkout):
    repository = checkout(
        {
            "pyproject.toml": "[tool.importlinter]\ncontracts = []\n",
            "docs/glossary.md": "",
            "cri_shim/state/a.py": "import cri_shim.state.b\n" + "\n" * 400,
            "cri_shim/state/b.py": "import cri_shim.state.a\n",
        }
    )
    result = run(repository.root)
    lines = result.stdout.splitlines()
    assert result.returncode == 1
    for start in (
        "cri_shim/state/a.py:1: ",
        "cri_shim/state/b.py:1: ",
        "cri_shim/state/a.py:401: ",
        "pyproject.toml:1: ",
    ):
        assert any(line.startswith(start) for line in lines)


def test_every_rule_is_a_file_of_its_own():
    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)
