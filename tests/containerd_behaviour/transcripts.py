"""Where transcripts are kept: a folder for each line of versions, a file for each scenario.

They are recorded from real daemons. When a scenario or containerd changes, record them anew, look at the difference,
and have the fake follow: run ``tests/integration/containerd_client/test_transcripts.py`` with RECORD_TRANSCRIPTS=1 in
the environment, once for each line of versions (CONTAINERD_BINARIES names another containerd than the machine's).
"""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from tests.containerd_behaviour.scenarios import ALL
from tests.containerd_behaviour.transcript import Transcript, joined

if TYPE_CHECKING:
    from containerd_client import Containerd

DIRECTORY = Path(__file__).with_name("recorded")
LINES = ((1, 6), (1, 7), (2, 1))


def recorded(version: tuple[int, int], scenario: str) -> Path:
    """Return the file of a scenario on a version."""
    return DIRECTORY / ".".join(map(str, version)) / f"{scenario}.txt"


def difference(text: str, version: tuple[int, int], scenario: str) -> str:
    """Return how a transcript differs from the recorded one; empty when it does not."""
    recorded_lines = recorded(version, scenario).read_text().splitlines()
    return "\n".join(unified_diff(recorded_lines, text.splitlines(), "recorded", "now", lineterm="", n=0))


async def written(client: Containerd, version: tuple[int, int], scenario: str, scratch: Path) -> str:
    """Play a scenario and return its transcript."""
    async with Transcript(client, version, scratch) as transcript:
        await ALL[scenario](transcript)
    return joined(transcript.lines)
