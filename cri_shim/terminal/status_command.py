"""The command ``cri-shim status``: say how the running daemon is, or wait until it is ready."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from cri_shim.wrapped_text import wrapped

if TYPE_CHECKING:
    import argparse

    from cri_shim.config import Config

_EVERY: Final = 0.5
"""Seconds between two questions while waiting."""
_LEAST_PATIENCE: Final = 0.5


def run(options: argparse.Namespace, config: Config) -> int:
    """Print the state of the daemon that ``config`` leads to; return 0 if it is ready, else 1."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines would stand between ours
    from cri_shim.terminal.status_page import page  # noqa: PLC0415 - imports grpc, which must see the variable above

    document, time_is_up = _waited(config.socket_path, options.wait)
    if options.output == "json":
        sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
    elif not document["error"]:
        sys.stdout.write(f"{page(document)}\n")
    if document["error"]:
        sys.stderr.write("\n".join([*wrapped(document["error"]), ""]))
    if time_is_up:
        sys.stderr.write(f"not ready after {options.wait:g} s\n")
    return 0 if document["ready"] else 1


def refused(options: argparse.Namespace, reason: str) -> int:
    """Say that it is unknown which daemon to ask, or how; return 1."""
    if options.output == "json":
        from cri_shim.terminal.status_report import no_daemon  # noqa: PLC0415 - see above

        sys.stdout.write(f"{json.dumps(no_daemon(reason, options.socket_path), indent=2)}\n")
    sys.stderr.write(f"{reason}\n")
    return 1


def _waited(socket: str, wait: float | None) -> tuple[dict[str, Any], bool]:
    """Return the state now, or with ``wait`` the first one that is ready; and whether the time is up without one."""
    from cri_shim.terminal.status_client import PATIENCE, NoDaemonError, ask  # noqa: PLC0415 - see above
    from cri_shim.terminal.status_report import no_daemon, report  # noqa: PLC0415 - see above

    until = time.monotonic() + (wait or 0.0)
    while True:
        left = until - time.monotonic()
        patience = PATIENCE if wait is None else min(PATIENCE, max(_LEAST_PATIENCE, left))
        lasting = False
        try:
            document = report(ask(socket, patience), socket)
        except NoDaemonError as error:
            document, lasting = no_daemon(str(error), socket), error.lasting
        left = until - time.monotonic()
        if document["ready"] or lasting or left <= 0:
            return document, wait is not None and not document["ready"] and not lasting
        time.sleep(min(_EVERY, left))
