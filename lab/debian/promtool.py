"""Get Prometheus's promtool, which checks alert rules, from the package of this machine's Debian.

The package is unpacked below .prometheus/ and nothing is installed or started. A promtool that is installed is taken as
it is.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab.debian.packages import ROOT, codename, download, run, unpack

CACHE = ROOT / ".prometheus"


def promtool() -> Path:
    """Return the path of the program, which is downloaded once; raises :class:`NotAvailableError`."""
    installed = shutil.which("promtool")
    if installed is not None:
        return Path(installed)
    program = CACHE / "promtool"
    if not program.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            scratch = Path(name)
            unpacked = unpack(download("prometheus", (codename(),), scratch / "packages"), scratch / "unpacked")
            brought = unpacked / "usr" / "bin" / "promtool"
            run([str(brought), "--version"])
            brought.rename(program)
    return program
