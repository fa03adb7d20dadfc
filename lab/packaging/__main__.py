"""Build the package: ``python -m lab.packaging WHEELS TARGET [--version VERSION]``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import cri_shim
from lab.packaging.environment import NotDebiansPythonError
from lab.packaging.source_tree import CHECKOUT, debian_version, lay_out, this_release


def main() -> None:
    """Build in a temporary directory, move the package to its place, and print where that is."""
    parser = argparse.ArgumentParser(prog="python -m lab.packaging", description=__doc__)
    parser.add_argument("wheels", type=Path, metavar="WHEELS", help="a directory that `make wheels` has filled")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the directory for the package")
    parser.add_argument("--version", default=cri_shim.__version__, help="another version, to try an upgrade")
    options = parser.parse_args()
    date = source_date()
    with tempfile.TemporaryDirectory(prefix="cri-shim-deb-") as name:
        directory = Path(name, "cri-shim")
        try:
            lay_out(directory, options.wheels.resolve(), debian_version(options.version, this_release()), date)
        except NotDebiansPythonError as error:
            raise SystemExit(str(error)) from None
        built = build(directory, date)
        options.target.mkdir(parents=True, exist_ok=True)
        print(shutil.copy(built, options.target))


def source_date() -> datetime:
    """Return the date that the package has: of the environment, or of the last commit, so that builds are the same.

    A checkout that was copied has no commits, and a fresh Debian no git.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given and shutil.which("git"):
        command = ["git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        given = done.stdout.strip()
    given = given or str(int((CHECKOUT / "CHANGELOG.md").stat().st_mtime))
    return datetime.fromtimestamp(int(given), UTC)


def build(directory: Path, date: datetime) -> Path:
    """Run dpkg-buildpackage and return the package; shows what was said if it fails.

    It would want compilers, which nothing here needs; ``make deb`` has installed the rest.
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(date.timestamp())), "LC_ALL": "C.UTF-8"}
    unsigned = ("--unsigned-changes", "--unsigned-buildinfo")
    command = ["dpkg-buildpackage", "--build=binary", *unsigned, "--no-check-builddeps"]
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"dpkg-buildpackage failed with status {done.returncode}")
    (package,) = directory.parent.glob("*.deb")
    return package


if __name__ == "__main__":
    main()
