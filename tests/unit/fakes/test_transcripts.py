"""The fake answers and publishes, call by call, what the real containerd of its version did when it was recorded."""

from __future__ import annotations

import pytest

from tests.containerd_behaviour.scenarios import ALL
from tests.containerd_behaviour.transcripts import difference, written


@pytest.mark.parametrize("scenario", ALL)
async def test_the_transcript_is_that_of_the_real_one(client, version, tmp_path, scenario):
    """Codes, words, fields, order and events."""
    assert not difference(await written(client, version, scenario, tmp_path / "scratch"), version, scenario)
