"""Signals that would end the daemon by default and mean nothing to it.

Other daemons reread their files for the first three; this one reads its configuration at start. Programs written in
Go, containerd and the kubelet among them, live through the others too, so scripts of the node may send them to all.
"""

from __future__ import annotations

import signal
from typing import Final

IGNORED_SIGNALS: Final = (
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGXCPU,
)
