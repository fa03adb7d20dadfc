"""Get Debian's Docker Engine for the lab: ``python -m lab.debian docker`` prints the folders of its programs.

The package is unpacked below .docker/ and nothing is installed: no service is enabled, no group is made. Only the
package itself is taken, as its libraries are those of the machine's own Debian, and containerd and runc are the lab's.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab.debian.packages import ROOT, codename, download, run, unpack

CACHE = ROOT / ".docker"
PACKAGES = ("docker.io", "docker-cli")
"""From Debian 13 on, the client is a package of its own."""


def folders() -> list[Path]:
    """Return the folders with ``dockerd``, ``docker-proxy`` and ``docker``; raises :class:`NotAvailableError`.

    An engine that is installed is taken as it is. What is unpacked is downloaded once.
    """
    installed = [shutil.which(name) for name in ("dockerd", "docker")]
    if all(installed):
        return [Path(path).parent for path in installed if path is not None]
    if not (CACHE / "usr").exists():
        CACHE.mkdir(exist_ok=True)
        # In the same file system, so that renaming is enough, and in a folder that git ignores, because a lab that is
        # killed leaves it behind.
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            (bring(Path(scratch)) / "usr").rename(CACHE / "usr")
    return [CACHE / "usr" / "sbin", CACHE / "usr" / "bin"]


def bring(scratch: Path) -> Path:
    """Download and unpack the engine and its client below ``scratch``, and check that both run; return where."""
    place = scratch / "unpacked"
    for package in PACKAGES:
        if not (place / "usr" / "bin" / "docker").exists():
            unpack(download(package, (codename(),), scratch / package), place)
    for name in ("sbin/dockerd", "bin/docker"):
        run([str(place / "usr" / name), "--version"])
    return place
