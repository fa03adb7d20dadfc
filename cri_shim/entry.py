"""The program's first lines: what must happen before the command line and the daemon are imported.

Importing them takes a good part of a second. ``cri-shim serve`` must not be killed meanwhile by a signal that the
daemon survives, such as a SIGHUP that asks it to read its configuration again.
"""

from __future__ import annotations

import sys

from cri_shim.daemon import early_signals


def main() -> int:
    """Run the command and return its exit code."""
    if sys.argv[1:2] == ["serve"]:
        early_signals.hold()
    from cri_shim import cli  # noqa: PLC0415 - takes long to import

    return cli.main()
