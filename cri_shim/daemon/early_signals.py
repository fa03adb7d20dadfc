"""Survive signals that arrive while the daemon starts, before its event loop can handle them.

Python takes most of a second to import the daemon, and SIGHUP ends a process that has no handler for it. A SIGHUP that
arrives after the configuration was read asks for the file as it is by then, so it is remembered until the daemon can
obey it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from cri_shim.daemon.ignored_signals import IGNORED_SIGNALS

if TYPE_CHECKING:
    from types import FrameType

_reload_wanted = False


def hold() -> None:
    """Remember a SIGHUP from now on, and ignore what the daemon will ignore; signals from before are forgotten."""
    global _reload_wanted  # noqa: PLW0603 - handlers of signals belong to the process
    _reload_wanted = False
    signal.signal(signal.SIGHUP, _remember)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def reload_wanted() -> bool:
    """Return whether a SIGHUP has arrived since :func:`hold`; the daemon has its own handlers by then."""
    return _reload_wanted


def _remember(_number: int, _frame: FrameType | None) -> None:
    global _reload_wanted  # noqa: PLW0603
    _reload_wanted = True
