"""Signals that would end the daemon by default and that it ignores.

Some daemons read their files again on the first two; this one does so on SIGHUP only. Programs written in Go, among
them containerd and the kubelet, survive the others too, so scripts of the node may send them to all daemons.
"""

from __future__ import annotations

import signal
from typing import Final

IGNORED_SIGNALS: Final = (
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGXCPU,
)
