"""What the daemon knows about its own process, for ``Status``; no other part has it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from cri_shim.part_history import PartHistory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.telemetry.loop_lag import LoopLag


class DaemonFacts:
    """One run of the daemon."""

    def __init__(self, loop_lag: LoopLag | None = None) -> None:
        self.started_at = time.time()
        self.pid = os.getpid()
        self.loop_lag = loop_lag
        """None where nothing measures it, as in a service without a daemon."""
        self.http = PartHistory("it is off")
        """The HTTP listener of the explorer and of metrics."""
        self.http_address = ""
        """Where it listens; empty while it does not."""
        self.configuration = PartHistory()
        """The last reading of the configuration; its time is that of the settings in use."""
        self.restart_needed: tuple[str, ...] = ()
        """Keys of the file that wait for a restart."""

    def note_reload(self, refused: str = "", restart_needed: Iterable[str] = ()) -> None:
        """Note that the configuration was read again, or the reason why the settings are those from before."""
        self.configuration.note(refused)
        if not refused:
            self.configuration.since = time.time()
            self.restart_needed = tuple(restart_needed)

    def note_http(self, address: str, reason: str) -> None:
        """Note where the HTTP listener is, or the reason why it is nowhere."""
        self.http_address = address
        self.http.note(reason)
