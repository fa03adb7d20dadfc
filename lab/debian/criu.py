"""Get a criu that works on this kernel: ``python -m lab.debian criu`` prints the folder to put first on PATH.

That is the machine's own if its ``criu check`` succeeds. Debian 12's is older than the kernels it may run on (on 6.18
it does not know the vDSO and exits at once). Then criu of a newer suite is downloaded with its libraries, unpacked
below .containerd/ without being installed, and run by its own dynamic linker.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.debian.containerd_versions import CACHE
from lab.debian.packages import NotAvailableError, mirror, own_apt, run

SUITE = "trixie"
PLACE = CACHE / "criu"
NOT_WANTED = ("--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances")
WRAPPER = """#!/bin/sh
usr={usr}
exec "$usr/{linker}" --library-path "$usr/{libraries}" "$usr/sbin/criu" "$@"
"""


@functools.cache
def criu_folder() -> Path:
    """Return the folder of a criu whose own check succeeds.

    Raises :class:`NotAvailableError` with the reason if none does.
    """
    installed = shutil.which("criu")
    complaint = "criu is not installed" if installed is None else complaint_of(Path(installed))
    if installed is not None and not complaint:
        return Path(installed).parent
    program = PLACE / "bin" / "criu"
    if not program.exists():
        bring(PLACE)
    newer = complaint_of(program)
    if newer:
        raise NotAvailableError(f"no criu works on this kernel: installed: {complaint}; of {SUITE}: {newer}")
    return program.parent


def complaint_of(program: Path) -> str:
    """Return the error of ``criu check`` on this kernel; empty when it succeeds."""
    done = subprocess.run([str(program), "check"], capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else (done.stderr or done.stdout or "it said nothing").strip()[-500:]


def bring(place: Path) -> None:
    """Download and unpack criu with its libraries, and write the program that runs it with them."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        directory = Path(name)
        apt = own_apt(directory, mirror(), (SUITE,))
        run(["apt-get", *apt, "--quiet=2", "update"])
        output = run(["apt-cache", *apt, "depends", "--recurse", *NOT_WANTED, "criu"])
        packages = sorted({line for line in output.splitlines() if re.fullmatch(r"(criu|lib[a-z0-9.+-]+)", line)})
        run(["apt-get", *apt, "--quiet=2", "download", *(f"{package}/{SUITE}" for package in packages)], directory)
        for package in directory.glob("*.deb"):
            run(["dpkg-deb", "--extract", str(package), str(directory / "unpacked")])
        usr = directory / "unpacked" / "usr"
        linkers = list(usr.glob("lib/*-linux-gnu/ld-linux*.so.*"))
        if not linkers or not (usr / "sbin" / "criu").exists():
            raise NotAvailableError(f"criu of {SUITE} is not laid out as expected: {packages}")
        linker = linkers[0].relative_to(usr)
        program = directory / "unpacked" / "bin" / "criu"
        program.parent.mkdir()
        program.write_text(WRAPPER.format(usr=place / "usr", linker=linker, libraries=linker.parent))
        program.chmod(0o755)
        shutil.rmtree(place, ignore_errors=True)
        (directory / "unpacked").rename(place)
