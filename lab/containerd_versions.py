"""Get containerd 1.7 and 2.1 for the tests: ``python -m lab.containerd_versions 1.7`` prints their folder.

Debian's newer suites have them. The machine's own apt (with its mirror, proxies and keys) downloads the packages into
directories of ours, and they are unpacked below .containerd/ without being installed, so nothing on the machine
changes. The next call finds them there without any download.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".containerd"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGE = "containerd"


@dataclass(frozen=True, slots=True)
class Line:
    """The wanted version of a line, and the suites to search."""

    wanted: tuple[int, int, int]
    suites: tuple[str, ...]


LINES = {"1.7": Line((1, 7, 24), ("trixie",)), "2.1": Line((2, 1, 9), ("sid",))}


class NotAvailableError(RuntimeError):
    """A containerd of that line is not available here; the text says what was missing."""


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
    apt = own_apt(directory, mirror(), line.suites)
    run(["apt-get", *apt, "--quiet=2", "update"])
    offered = run(["apt-cache", *apt, "madison", PACKAGE])
    versions = [cells[1].strip() for cells in (row.split("|") for row in offered.splitlines()) if len(cells) > 1]
    chosen = nearest(versions, line.wanted)
    run(["apt-get", *apt, "--quiet=2", "download", f"{PACKAGE}={chosen}"], directory)
    (package,) = directory.glob("*.deb")
    unpacked = directory / "unpacked"
    run(["dpkg-deb", "--extract", str(package), str(unpacked)])
    printed = run([str(unpacked / "usr" / "bin" / PACKAGE), "--version"])
    if numbers(printed.split()[2]) != numbers(chosen):
        raise NotAvailableError(f"the program of {PACKAGE} {chosen} says {printed.strip()!r}")
    if numbers(chosen) != line.wanted:
        wanted = ".".join(map(str, line.wanted))
        sys.stderr.write(f"{', '.join(line.suites)} has {PACKAGE} {chosen} instead of {wanted}: taking that\n")
    return unpacked


def codename() -> str:
    """Return the suite of this machine's Debian; empty if it names none."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def mirror() -> str:
    """Return the mirror from which this machine's apt gets Debian."""
    targets = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Identifier: Packages"])
    sites = [line.split()[0] for line in targets.splitlines() if line.split()[1:] in ([codename()], ["stable"])]
    if not sites:
        raise NotAvailableError(
            f"apt on this machine has no repository of the suite {codename()!r}, whose mirror could be used"
        )
    return sites[0]


def own_apt(directory: Path, site: str, suites: tuple[str, ...]) -> list[str]:
    """Return apt's options for a list of packages of our own; proxies and the rest stay the machine's."""
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True)
    signed = f"[signed-by={KEYS}] " if KEYS.exists() else ""
    sources = directory / "sources.list"
    sources.write_text("".join(f"deb {signed}{site} {suite} main\n" for suite in suites))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": directory / "lists",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
    }
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def nearest(versions: list[str], wanted: tuple[int, int, int]) -> str:
    """Choose the wanted version, or else the nearest of the same major number; of equals the first (apt's newest)."""
    same = [version for version in versions if numbers(version)[0] == wanted[0]]
    if not same:
        raise NotAvailableError(f"there is no {PACKAGE} {wanted[0]}.x among {versions}")

    def distance(version: str) -> tuple[int, int]:
        _, minor, patch = numbers(version)
        return abs(minor - wanted[1]), abs(patch - wanted[2])

    return min(same, key=distance)


def numbers(version: str) -> tuple[int, int, int]:
    """Return major, minor and patch number at the start of a version of Debian's or of containerd's."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise NotAvailableError(f"{version!r} is not a version")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def run(command: list[str], directory: Path | None = None) -> str:
    """Run a program and return what it printed; raises :class:`NotAvailableError` with its error when it fails."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotAvailableError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise NotAvailableError(f"{command[0]} {command[-1]}: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def main() -> None:
    """Print the folder of the line that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m lab.containerd_versions", description=__doc__)
    parser.add_argument("line", choices=sorted(LINES))
    try:
        sys.stdout.write(f"{binaries(parser.parse_args().line)}\n")
    except NotAvailableError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
