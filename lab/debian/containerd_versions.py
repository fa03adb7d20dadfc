"""Get containerd 1.7 and 2.1 for the tests: ``python -m lab.debian containerd 1.7`` prints their folder.

Debian's newer suites have them. They are unpacked below .containerd/ without being installed (see
:mod:`lab.debian.packages`). The next call finds them there without any download.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.debian.packages import ROOT, NotAvailableError, download, numbers, run, unpack

CACHE = ROOT / ".containerd"
PACKAGE = "containerd"


@dataclass(frozen=True, slots=True)
class Line:
    """The wanted version of a line, and the suites to search."""

    wanted: tuple[int, int, int]
    suites: tuple[str, ...]


LINES = {"1.7": Line((1, 7, 24), ("trixie",)), "2.1": Line((2, 1, 9), ("sid",))}


def binaries(line: str) -> Path:
    """Return the folder with the programs of a line ("1.7", "2.1"); raises :class:`NotAvailableError`."""
    folder = CACHE / line / "usr" / "bin"
    if not (folder / PACKAGE).exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            unpacked = bring(LINES[line], Path(name))
            shutil.rmtree(CACHE / line, ignore_errors=True)
            unpacked.rename(CACHE / line)
    return folder


def bring(line: Line, directory: Path) -> Path:
    """Download and unpack the package below a directory, and check that its program runs and has the right version."""
    (package,) = download(PACKAGE, line.suites, directory / "packages", wanted=line.wanted)
    unpacked = unpack([package], directory / "unpacked")
    printed = run([str(unpacked / "usr" / "bin" / PACKAGE), "--version"])
    version = package.name.split("_")[1]
    if numbers(printed.split()[2]) != numbers(version):
        raise NotAvailableError(f"the program of {PACKAGE} {version} says {printed.strip()!r}")
    return unpacked
