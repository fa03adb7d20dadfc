"""Write constraints.txt anew: ``python -m lab.constraints`` asks pip for the newest versions that fit together.

pip resolves the requirements of the program, its extras and the dependency groups for the oldest supported Python,
because that one has the fewest versions to choose from. Then pip must find a wheel of every version for each newer
Python. The same answers of the registry give the same file, byte for byte.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from lab.debian.packages import ROOT, NotAvailableError
from lab.debian.pythons import program

FILE = ROOT / "constraints.txt"
HEAD = """\
# The exact versions that the tests have run with: the program, its extras, and what checks and tests need.
# `make constraints` renews this file; `make venv` and `make check` install by it.
"""


def supported(project: dict[str, Any]) -> list[str]:
    """Return the versions of Python that the classifiers name, the oldest first."""
    prefix = "Programming Language :: Python :: "
    named = [line.removeprefix(prefix) for line in project["classifiers"] if line.startswith(f"{prefix}3.")]
    return sorted(named, key=lambda version: int(version.partition(".")[2]))


def wanted(pyproject: dict[str, Any]) -> list[str]:
    """Return every requirement of the project as it stands in pyproject.toml."""
    project = pyproject["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *pyproject["dependency-groups"].values(),
    ]
    return sorted({requirement for requirements in lists for requirement in requirements})


def resolve(requirements: list[str], python: Path) -> dict[str, str]:
    """Return the version that pip would install of each package, by its normalised name."""
    report = json.loads(pip(["--ignore-installed", "--report", "-", *requirements], python))
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in report["install"]}
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in versions.items()}


def require_wheels(pins: list[str], version: str) -> None:
    """Check that there is a wheel of each pinned version for this Python; raises SystemExit with pip's message."""
    with_wheels = ["--ignore-installed", "--no-deps", "--only-binary", ":all:", "--python-version", version]
    pip([*with_wheels, "--target", "unused", *pins], Path(sys.executable))


def pip(arguments: list[str], python: Path) -> str:
    """Run a pip install that installs nothing, and return what it printed."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        str(python),
        "--quiet",
        "install",
    ]
    done = subprocess.run([*command, "--dry-run", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def text(pins: list[str]) -> str:
    """Return the whole file."""
    return HEAD + "".join(f"{pin}\n" for pin in sorted(pins))


def main() -> None:
    """Resolve, look for wheels, and write the file."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest, *newer = supported(pyproject["project"])
    try:
        python = program(oldest)
    except NotAvailableError as error:
        raise SystemExit(str(error)) from None
    pins = [f"{name}=={version}" for name, version in resolve(wanted(pyproject), python).items()]
    for version in newer:
        require_wheels(pins, version)
    FILE.write_text(text(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
