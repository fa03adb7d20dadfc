"""Every command of docs/lab, on a real playground: it prints what the page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from lab.debian.docker_engine import folders
from lab.debian.packages import NotAvailableError
from lab.playground.place import DEMO

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the lab's programs to its end."""
    command = [sys.executable, "-m", f"lab.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=DEMO.parent, timeout=900, check=False)


def test_all_pages_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make up` with all sides, `make lab`, `make down`."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if DEMO.exists():
        pytest.skip(f"{DEMO} exists: a node of `make up` is in use")
    if missing := [program for program in ("curl", "jq") if shutil.which(program) is None]:
        pytest.skip(f"{' and '.join(missing)} must be installed")
    try:
        folders()
    except NotAvailableError as error:
        pytest.skip(f"there is no Docker Engine: {error}")
    try:
        up = run("playground.up", "--side", "plugin", "--side", "docker")
        assert up.returncode == 0, up.stdout + up.stderr
        # Page 8 is made for 105 pods and ten minutes; what it shows is there with a few.
        monkeypatch.setenv("PODS", "6")
        monkeypatch.setenv("WINDOW", "4")
        monkeypatch.setenv("ROUNDS", "1")
        walked = run("lesson.walk", "--yes")
        assert walked.returncode == 0, walked.stderr
        walked = run("lesson.walk", "--yes", "crictl")
        assert walked.returncode == 0, walked.stderr
    finally:
        down = run("playground.down")
    assert "nothing is left" in down.stdout, down.stdout + down.stderr
    assert not DEMO.exists()
