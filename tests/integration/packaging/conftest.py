"""The package, built once for all tests of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
MINUTES = 15


@pytest.fixture(scope="package")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built by `make deb`."""
    directory = tmp_path_factory.mktemp("deb")
    quiet = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    command = ["make", "deb", f"DEB={directory}", f"WHEELS={directory / 'wheels'}"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=quiet, capture_output=True, text=True, timeout=MINUTES * 60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = directory.glob("*.deb")
    assert str(built) in done.stdout
    return built
