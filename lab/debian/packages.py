"""Get programs of Debian's newer suites for the lab, without installing them: nothing on the machine changes.

The machine's own apt (with its mirror, proxies and keys) downloads packages into directories of ours, and they are
unpacked there. A program that needs a newer C library than the machine has is bound to the libraries it was built with.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NotAvailableError(RuntimeError):
    """What was asked for is not available here; the text says what was missing."""


def download(
    package: str,
    suites: tuple[str, ...],
    directory: Path,
    *,
    wanted: tuple[int, int, int] | None = None,
    whole: bool = False,
) -> list[Path]:
    """Download a package into a directory that is not there yet, and return the files.

    ``wanted`` is a version: the nearest of its major number is taken. ``whole`` adds all that the package depends on,
    as if nothing were installed.
    """
    apt = own_apt(directory, mirror(), suites)
    run(["apt-get", *apt, "--quiet=2", "update"])
    named = f"{package}={chosen_version(package, wanted, suites, apt)}" if wanted else package
    if not whole:
        run(["apt-get", *apt, "--quiet=2", "download", named], directory)
        return list(directory.glob("*.deb"))
    installed = directory / "status"
    installed.touch()
    apt += ["-o", f"Dir::State::Status={installed}", "-o", "Debug::NoLocking=true"]
    run(["apt-get", *apt, "--quiet=2", "--yes", "--no-install-recommends", "--download-only", "install", named])
    return list((directory / "cache" / "archives").glob("*.deb"))


def chosen_version(package: str, wanted: tuple[int, int, int], suites: tuple[str, ...], apt: list[str]) -> str:
    """Return the version of a package that is taken for the wanted one; standard error says if it is another."""
    offered = run(["apt-cache", *apt, "madison", package])
    versions = [cells[1].strip() for cells in (row.split("|") for row in offered.splitlines()) if len(cells) > 1]
    chosen = nearest(package, versions, wanted)
    if numbers(chosen) != wanted:
        text = ".".join(map(str, wanted))
        sys.stderr.write(f"{', '.join(suites)} has {package} {chosen} instead of {text}: taking that\n")
    return chosen


def unpack(packages: list[Path], directory: Path) -> Path:
    """Unpack packages into one directory, and return it."""
    for package in packages:
        run(["dpkg-deb", "--extract", str(package), str(directory)])
    return directory


def bind_to_own_libraries(program: Path, unpacked: Path, scratch: Path) -> None:
    """Have a program use the loader and the libraries that were unpacked beside it; ``scratch`` is an own directory."""
    patchelf = unpack(download("patchelf", (codename(),), scratch / "packages"), scratch / "patchelf")
    (loader,) = unpacked.glob("usr/lib/*/ld-linux-*.so.*")
    run(
        [
            str(patchelf / "usr" / "bin" / "patchelf"),
            *("--set-interpreter", str(loader)),
            # An RPATH, unlike a RUNPATH, also holds for the libraries that those libraries need.
            *("--force-rpath", "--set-rpath", str(loader.parent)),
            str(program),
        ]
    )


def codename() -> str:
    """Return the suite of this machine's Debian; empty if it names none."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def mirror() -> str:
    """Return the mirror from which this machine's apt gets Debian."""
    # Other vendors call a suite by the same name, and their lists may come first.
    wanted = ("Identifier: Packages", "Origin: Debian")
    targets = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", *wanted])
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


def nearest(package: str, versions: list[str], wanted: tuple[int, int, int]) -> str:
    """Choose the wanted version, or else the nearest of the same major number; of equals the first (apt's newest)."""
    same = [version for version in versions if numbers(version)[0] == wanted[0]]
    if not same:
        raise NotAvailableError(f"there is no {package} {wanted[0]}.x among {versions}")

    def distance(version: str) -> tuple[int, int]:
        _, minor, patch = numbers(version)
        return abs(minor - wanted[1]), abs(patch - wanted[2])

    return min(same, key=distance)


def numbers(version: str) -> tuple[int, int, int]:
    """Return major, minor and patch number at the start of a version of Debian's or of a program's."""
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
