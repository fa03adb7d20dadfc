"""Get another Python for the unit tests: ``python -m lab.debian python 3.14`` prints the path of its program.

A Python of the machine is used if there is one: on PATH, or among pyenv's. Otherwise Debian's newer suites have 3.13
and 3.14. Their packages are unpacked below .pythons/ without being installed, with the libraries that they were built
with (see :mod:`lab.debian.packages`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab.debian.packages import ROOT, NotAvailableError, bind_to_own_libraries, download, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = ROOT / ".pythons"
SUITES = {"3.13": "trixie", "3.14": "sid"}
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"


def program(version: str) -> Path:
    """Return the path of a Python of this version ("3.13"); raises :class:`NotAvailableError`."""
    for candidate in candidates(version):
        if answers(candidate, version):
            return candidate
    if version not in SUITES:
        raise NotAvailableError(
            f"there is no Python {version}: not on PATH, not in {PYENV}, and Debian has {' and '.join(SUITES)}"
        )
    unpacked = CACHE / version
    CACHE.mkdir(exist_ok=True)
    shutil.rmtree(unpacked, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        bring(version, Path(name), unpacked)
    existing = program_below(unpacked, version)
    if not answers(existing, version):
        raise NotAvailableError(f"Debian's Python {version} was unpacked to {unpacked} and does not run")
    return existing


def candidates(version: str) -> Iterator[Path]:
    """Yield the programs that may be this Python; the first that runs is used."""
    yield program_below(CACHE / version, version)
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield Path(on_path)
    yield from sorted(PYENV.glob(f"{version}.*/bin/python{version}"), reverse=True)


def program_below(unpacked: Path, version: str) -> Path:
    """Return the path of the program of Debian's package, below the directory it was unpacked to."""
    return unpacked / "usr" / "bin" / f"python{version}"


def answers(candidate: Path, version: str) -> bool:
    """Return whether a program runs and is a Python of this version; pyenv's stand-ins on PATH may not run."""
    question = "import ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def bring(version: str, directory: Path, unpacked: Path) -> None:
    """Download Debian's Python with all that it depends on, unpack it, and bind its program to its own libraries."""
    unpack(download(f"python{version}", (SUITES[version],), directory / "python", whole=True), unpacked)
    bind_to_own_libraries(program_below(unpacked, version), unpacked, directory / "patchelf")
