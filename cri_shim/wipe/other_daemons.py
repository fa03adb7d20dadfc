"""Find a daemon that has other directories, but serves pods of the same containerd.

Its pods carry the marks of ours, and its locks are elsewhere.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING, Final

from cri_shim.config import ConfigError
from cri_shim.terminal.running_daemons import running_daemons

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.config import Config

UNREADABLE_SECONDS: Final = 5.0
"""How long to wait for a configuration that cannot be read: it may be edited, or its daemon may be about to end."""
_POLL_EVERY: Final = 0.2


def other_daemon(config: Config, settings: Callable[[argparse.Namespace], Config]) -> str:
    """Return the flags and the process of a running daemon that uses the same containerd; empty if there is none.

    ``settings`` reads the configuration that options name. A daemon whose configuration cannot be read counts, because
    nothing is known of it; after a change of its file, what it says now counts. Blocks.
    """
    deadline = time.monotonic() + UNREADABLE_SECONDS
    while True:
        unreadable = ""
        for daemon in running_daemons():
            try:
                theirs = settings(argparse.Namespace(log_level=None, log_format=None, **daemon.options()))
            except ConfigError:
                unreadable = unreadable or f"{daemon}, whose configuration cannot be read"
            else:
                if _pods_of(theirs) == _pods_of(config):
                    return str(daemon)
        if not unreadable or time.monotonic() > deadline:
            return unreadable
        time.sleep(_POLL_EVERY)


def _pods_of(config: Config) -> tuple[str, str]:
    return os.path.realpath(config.containerd.address.removeprefix("unix://")), config.containerd.namespace
