"""What tests of checkpoints share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def criu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A criu of the oldest version that will do, first on the PATH."""
    program = tmp_path / "bin/criu"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Version: 3.16'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program
