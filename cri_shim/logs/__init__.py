"""Container output: from the FIFOs into CRI log files, to whoever is attached, and into ExecSync's answer.

:mod:`~cri_shim.logs.format` is pure; :class:`LogPump` is the one thread that follows all containers' FIFOs;
:class:`FifoSet` makes and opens them; :class:`Capture` reads those of one ExecSync.
"""

from __future__ import annotations

from cri_shim.logs.capture import Capture
from cri_shim.logs.fifo import FifoSet, StdinKeeper
from cri_shim.logs.handle import LogHandle
from cri_shim.logs.pump import LogPump, PumpStatistics
from cri_shim.logs.tap import Tap

__all__ = ["Capture", "FifoSet", "LogHandle", "LogPump", "PumpStatistics", "StdinKeeper", "Tap"]
