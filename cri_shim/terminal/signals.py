"""The signals that end a command which leaves something to tidy up: a file to write, or a socket to remove."""

from __future__ import annotations

import signal


def ending_signals() -> list[signal.Signals]:
    """Return Ctrl-C, SIGTERM, and SIGHUP (the terminal was closed), without those that are ignored, as under nohup."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [number for number in ending if number is signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
