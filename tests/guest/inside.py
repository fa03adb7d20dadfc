"""Run the suites, in the guest: ``python -m tests.guest.inside``, started by guest-tests.service below ``root/``.

After each suite, what there is of results is written to the bare disk once more, so that those of the suites before are
not lost when one never ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.guest.suites import RESULTS, Suite, chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

DISK = "/dev/vdc"
# In Debian 13, /tmp is in memory: no swap file can be there, and what a container writes to its layer is its memory.
ON_DISK = "/var/tmp"
LONGEST_SECONDS = 120
"""What a test may take on an ordinary machine."""
LEAST_PATIENCE = 5
# Emulated, everything takes about ten times as long; beside other work, it can be fifty times.
WORK = (sys.executable, "-c", "import grpc, lab.lab")
"""What takes at most a second on an ordinary machine."""


def main() -> int:
    """Run what the kernel's command line asks for, or else everything."""
    RESULTS.mkdir(exist_ok=True)
    wanted, more = asked_for(Path("/proc/cmdline").read_text())
    for suite in chosen(wanted):
        print(f"=== {suite.name}: {suite.claim}", flush=True)
        started = time.monotonic()
        patience = measured_patience()
        print(f"    {suite.name}: time limits are {patience} times as long as on an ordinary machine", flush=True)
        code = run(suite, more, patience)
        print(f"--- {suite.name}: ended with {code} after {time.monotonic() - started:.0f} s", flush=True)
        (RESULTS / f"{suite.name}.code").write_text(str(code))
        keep()
    return 0


def asked_for(command_line: str) -> tuple[list[str], list[str]]:
    """Suites and further arguments for pytest, from ``guest.suites=a,b`` and ``guest.pytest=HEX``."""
    words = dict(word.partition("=")[::2] for word in command_line.split())
    suites = [name for name in words.get("guest.suites", "").split(",") if name]
    arguments = bytes.fromhex(words.get("guest.pytest", "")).decode()
    return suites, [word for word in arguments.split("\0") if word]


def measured_patience(work: Sequence[str] = WORK) -> int:
    """By how much this machine, with what runs beside it now, is slower than an ordinary one; at least five times."""
    began = time.monotonic()
    subprocess.run(work, check=True)
    return max(LEAST_PATIENCE, round(time.monotonic() - began))


def run(suite: Suite, more: list[str], patience: int) -> int:
    """Run one; its exit code."""
    command = [sys.executable, "-m", *(measurement(suite) if suite.module else test_run(suite, patience)), *more]
    own = {"LAB_PAUSE": "/opt/pause", "LAB_PATIENCE": str(patience), "TMPDIR": ON_DISK, **dict(suite.environment)}
    return subprocess.run(command, env={**os.environ, **own}, check=False, stdin=subprocess.DEVNULL).returncode


def test_run(suite: Suite, patience: int) -> list[str]:
    """The arguments of ``python -m`` for a run of pytest."""
    return [
        *("pytest", "-q", "-p", "no:cacheprovider", "--color=no"),
        f"--timeout={LONGEST_SECONDS * patience}",
        f"--junit-xml={RESULTS / suite.name}.xml",
        *suite.arguments,
    ]


def measurement(suite: Suite) -> list[str]:
    """The arguments of ``python -m`` for a measurement, which prints its report and may leave files."""
    return [suite.module, *suite.arguments]


def keep() -> None:
    """Write the results so far to the disk that the other side reads."""
    subprocess.run(["tar", "--create", "--file", DISK, "--directory", RESULTS, "."], check=True)
    os.sync()


if __name__ == "__main__":
    sys.exit(main())
