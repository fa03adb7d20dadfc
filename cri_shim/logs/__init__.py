"""Carry container output from the FIFOs into CRI log files, to attached clients, and into the response of ExecSync.

:mod:`~cri_shim.logs.format` is pure; :class:`LogPump` is the one thread that follows all containers' FIFOs;
:class:`FifoSet` makes and opens them; :class:`Capture` reads those of one ExecSync. This room may import only the
floors below it (``paths`` and the like), and never blocks the event loop on a log file.
"""

from __future__ import annotations

from cri_shim.logs.capture import Capture
from cri_shim.logs.fifo import FifoSet, StdinKeeper
from cri_shim.logs.handle import LogHandle
from cri_shim.logs.pump import LogPump, PumpStatistics
from cri_shim.logs.tap import Tap

__all__ = ["Capture", "FifoSet", "LogHandle", "LogPump", "PumpStatistics", "StdinKeeper", "Tap"]
