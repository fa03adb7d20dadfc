"""A real containerd answers and publishes what is recorded of its version; the fake has to do the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.containerd_behaviour.scenarios import ALL
from tests.containerd_behaviour.transcripts import LINES, difference, recorded, written

NEED_PROCESSES = {"tasks", "execs"}


@pytest.mark.parametrize("scenario", ALL)
async def test_the_transcript_is_the_recorded_one(client, version, tmp_path, scenario):
    """If not, containerd has changed: record anew and have the fake follow."""
    if scenario in NEED_PROCESSES and not (shutil.which("runc") and Path("/bin/busybox").exists()):
        pytest.skip("needs runc and busybox-static")
    if version not in LINES:
        pytest.skip(f"nothing is recorded of containerd {version}")
    text = await written(client, version, scenario, tmp_path / "scratch")
    if os.environ.get("RECORD_TRANSCRIPTS"):
        file = recorded(version, scenario)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert not difference(text, version, scenario)
