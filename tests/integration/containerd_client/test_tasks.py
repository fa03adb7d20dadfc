"""Tasks and their processes of a real containerd; the bodies are shared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.containerd_behaviour.tasks import *  # noqa: F403

pytestmark = [
    pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc"),
    pytest.mark.skipif(not Path("/bin/busybox").exists(), reason="needs busybox-static"),
]
