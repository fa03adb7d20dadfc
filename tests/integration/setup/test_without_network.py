"""What `make wheels` collects is enough to install the daemon on a node that reaches no package index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cri_shim

CHECKOUT = Path(__file__).resolve().parents[3]
MINUTES = 10


@pytest.mark.timeout(MINUTES * 60)
def test_the_wheels_suffice(tmp_path: Path) -> None:
    """The commands of docs/install.md, which let pip ask no index."""
    run("make", "wheels", f"WHEELS={tmp_path / 'dist/wheels'}", where=CHECKOUT)
    environment = tmp_path / "cri-shim"
    run(sys.executable, "-m", "venv", str(environment), where=tmp_path)
    install = re.search(r"^/opt/cri-shim/bin/(pip install --no-index .*)$", page(), re.MULTILINE)
    assert install
    run(str(environment / "bin/python"), "-m", *install[1].split(), where=tmp_path)
    run(str(environment / "bin/python"), "-m", *install[1].split()[:-1], "cri-shim[otel,socks]", where=tmp_path)
    program = str(environment / "bin/cri-shim")
    assert run(program, "--version", where=tmp_path).startswith(f"cri-shim {cri_shim.__version__} ")
    assert "socket_path" in run(program, "config", "default", where=tmp_path)


def page() -> str:
    """The page that the administrator reads."""
    return (CHECKOUT / "docs/install.md").read_text()


def run(*command: str, where: Path) -> str:
    """Run a command that has to succeed, and return what it prints."""
    quiet = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(
        command, cwd=where, env=quiet, capture_output=True, text=True, timeout=MINUTES * 60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
