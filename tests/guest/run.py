"""Run the suites in the guest: ``python -m tests.guest.run [SUITE …] [-- PYTEST ARGUMENTS]``.

Exit codes: 0 all passed, 1 some test failed, 3 the guest itself could not be had, so that nothing is known.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.guest.base import Base
from tests.guest.errors import GuestError
from tests.guest.machine import Run
from tests.guest.packages import built_packages, given_kubelet
from tests.guest.project import project_disk
from tests.guest.report import outcome, summary
from tests.guest.suites import SUITES, chosen

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache" / "guest"
RESULTS = CHECKOUT / "results" / "guest"
LONGEST_SECONDS = float(os.environ.get("GUEST_SECONDS", "1500"))
NO_GUEST = 3


def main() -> int:
    """Build, boot, report."""
    names = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    more = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    if unknown := set(names) - {suite.name for suite in SUITES}:
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in SUITES)}")
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:6.1f}] {line}", flush=True)

    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        suites = chosen(names)
        base = Base.made(CACHE, selinux=any(suite.selinux for suite in suites))
        say("the Debian is there")
        carried = built_packages(CACHE) if any(suite.packages for suite in suites) else []
        carried += [given_kubelet()] if any(suite.kubelet for suite in suites) else []
        project = project_disk(CACHE, carried)
        say("the disk with the project is there")
        with TemporaryDirectory(prefix="run-", dir=CACHE) as directory:
            arguments = f"guest.suites={','.join(names)} guest.pytest={chr(0).join(more).encode().hex()}"
            results = Run(base, project, Path(directory), arguments).boot(say, LONGEST_SECONDS)
            outcomes = [outcome(suite, results) for suite in suites]
            for path in keep_measured(results):
                say(f"kept {path}")
    except GuestError as error:
        say(f"no guest, so nothing is known: {error}")
        return NO_GUEST
    text, well = summary(outcomes, time.monotonic() - started)
    print(text, flush=True)
    return 0 if well else 1


def keep_measured(results: Path, target: Path = RESULTS) -> list[Path]:
    """Copy the results of measurements to where git ignores them; what else has come back is in the summary."""
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(path, target)) for path in sorted(results.glob("*.json"))]


if __name__ == "__main__":
    sys.exit(main())
