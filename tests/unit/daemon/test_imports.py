"""What a daemon that only serves pods does not load."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys
import cri_shim.daemon.daemon
print(sorted({name.partition(".")[0] for name in sys.modules} & {"aiohttp", "opentelemetry"}))
"""


def test_the_http_library_waits_for_its_first_use() -> None:
    """It takes 7 MiB: a pull, a client of the page or a stream loads it."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
