"""Play the live events of a recording again, to everyone who follows its page.

They come at the pace at which they came, but a pause in which nothing happened is shortened. After the last one they
begin again. Nothing is played while no page follows.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cri_shim.recording.file import Recording

LONGEST_PAUSE: Final = 3.0
"""Seconds."""


async def replay(recording: Recording) -> None:
    """Play until cancelled."""
    ledger, events = recording.ledger, recording.events
    pauses = [(later.at_ms - earlier.at_ms) / 1000 for earlier, later in pairwise(events)]
    while True:
        for event, pause in zip(events, [*pauses, LONGEST_PAUSE], strict=True):
            await ledger.followed.wait()
            ledger.send(event)
            await asyncio.sleep(min(max(pause, 0.0), LONGEST_PAUSE))
        if not events:
            await asyncio.sleep(LONGEST_PAUSE)
